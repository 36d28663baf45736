"""Claims: many searches are answered as each alone, in one go, and none spoils another."""

import pytest

from imagesearch.domain.errors import ImageSearchError, Unavailable
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.queries import ImageQuery, MixedQuery, Search, StoredQuery, Term, TextQuery
from tests.support.fakes import picture, ref
from tests.support.looking import keys

BAD = [
    (Search(TextQuery(" ")), "invalid_text"),
    (Search(TextQuery("nothing at all")), "invalid_text"),
    (Search(ImageQuery(b"no image")), "unreadable_image"),
    (Search(StoredQuery("nobody")), "not_found"),
    (Search(TextQuery("a"), limit=0), "invalid_limit"),
    (Search(TextQuery("a"), cursor="made-up"), "invalid_cursor"),
    (Search(MixedQuery((Term(TextQuery("a"), 0),))), "invalid_terms"),
]


def test_each_search_is_answered_as_it_is_alone(searcher, fill):
    fill(a="a cat", b="a dog", c__d="a cow")
    searches = [
        Search(TextQuery("a dog"), limit=1),
        Search(ImageQuery(picture("a cat"))),
        Search(StoredQuery(ref("a.png").id)),
        Search(TextQuery("a dog"), collection="c"),
        Search(MixedQuery((Term(TextQuery("a cow")), Term(TextQuery("a dog"), -1)))),
    ]
    together = searcher.search_many(searches)
    alone = [searcher.search(search) for search in searches]
    assert [keys(answer) for answer in together] == [keys(answer) for answer in alone]
    assert [answer.cursor for answer in together] == [answer.cursor for answer in alone]
    assert len({answer.search_id for answer in together}) == len(searches)


@pytest.mark.parametrize(("bad", "code"), BAD, ids=[code for _, code in BAD])
def test_a_search_that_fails_leaves_the_others(searcher, fill, bad, code):
    fill(a="a cat", b="a dog")
    first, failed, last = searcher.search_many(
        [Search(TextQuery("a cat")), bad, Search(TextQuery("a dog"))]
    )
    assert keys(first)[0] == "a.png"
    assert isinstance(failed, ImageSearchError)
    assert failed.code == code
    assert keys(last)[0] == "b.png"


def test_all_that_fail_ask_nothing_of_the_index(searcher, index):
    failed = searcher.search_many([search for search, _ in BAD])
    assert [error.code for error in failed] == [code for _, code in BAD]
    assert index.asked == []


def test_many_cost_one_batch_of_each_kind_and_one_round_trip(searcher, fill, index, texts, images):
    fill(a="a", b="b")
    images.batches.clear()
    queries = [TextQuery("c"), TextQuery("d"), ImageQuery(picture("e")), ImageQuery(picture("f"))]
    queries += [StoredQuery(ref("a.png").id), StoredQuery(ref("b.png").id)]
    searcher.search_many([Search(query, filter=KeyPrefix("a")) for query in queries])
    assert (len(texts.batches), len(images.batches)) == (1, 1)
    assert (index.looks, len(index.asked)) == (1, 1)
    assert [query.filter for query in index.asked[0]] == [KeyPrefix("a")] * 6


def test_no_searches_are_no_answers(searcher, index, texts):
    assert searcher.search_many([]) == []
    assert (index.asked, texts.batches) == ([], [])


def test_an_index_that_is_away_fails_all(searcher, index):
    index.away = True
    with pytest.raises(Unavailable):
        searcher.search_many([Search(TextQuery("a"))] * 2)
