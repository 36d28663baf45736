"""Searcher: hits of single searches, and of batches of independent searches."""

from dataclasses import replace

import pytest

from imagesearch.domain.errors import (
    ImageSearchError,
    InvalidQuery,
    NotFound,
    Unavailable,
    UnreadableImage,
)
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Status
from imagesearch.domain.queries import ImageQuery, MixedQuery, Search, StoredQuery, Term, TextQuery
from imagesearch.search.listing import ListRequest
from imagesearch.search.query_adapter import QueryAdapter, QueryMap
from imagesearch.search.query_encoder import MAX_TEXT
from imagesearch.search.relevance import Modality
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from tests.support.fakes import FakeDerived, FakeTexts, picture, ref, vector
from tests.support.outcomes import keys


def test_a_text_finds_its_image(searcher, fill):
    fill(a="a cat", b="a dog")
    answer = searcher.search(Search(TextQuery("a dog")))
    assert keys(answer)[0] == "b.png"
    assert answer.hits[0].score == pytest.approx(1)
    assert answer.cursor is None
    assert answer.model == "fake"


def test_an_image_finds_itself(searcher, fill):
    fill(a="a cat", b="a dog")
    assert keys(searcher.search(Search(ImageQuery(picture("a cat")))))[0] == "a.png"


def test_an_indexed_image_finds_its_neighbours_and_not_itself(searcher, fill):
    fill(a="a cat", b="a cat", c="a dog")
    assert keys(searcher.search(Search(StoredQuery(ref("a.png").id)))) == ["b.png", "c.png"]


def test_a_search_in_a_collection_finds_only_its_images(searcher, fill):
    fill(cats__a="a cat", dogs__a="a dog", a="a cat")
    found = searcher.search(Search(TextQuery("a cat"), collection="dogs"))
    assert keys(found) == ["dogs/a.png"]


def test_durations_are_in_milliseconds(searcher, fill):
    took = searcher.search(Search(TextQuery("a cat"))).took_ms
    assert 0 <= took.embed <= took.total
    assert 0 <= took.search <= took.total


def test_a_search_has_no_id_unless_requested(searcher):
    assert searcher.search(Search(TextQuery("a cat"))).search_id is None


@pytest.mark.parametrize("text", ["", " ", "\t\n\u3000", "x" * (MAX_TEXT + 1)])
def test_a_blank_or_too_long_text_is_rejected(searcher, text):
    with pytest.raises(InvalidQuery) as raised:
        searcher.search(Search(TextQuery(text)))
    assert raised.value.code == "invalid_text"


@pytest.mark.parametrize("text", ["x", "x" * MAX_TEXT, "🐈", "a\0b", "\x07"])
def test_any_other_text_is_accepted(searcher, text):
    assert searcher.search(Search(TextQuery(text))).hits == []


def test_an_unreadable_query_image_is_reported(searcher):
    with pytest.raises(UnreadableImage):
        searcher.search(Search(ImageQuery(b"not an image")))


def test_the_neighbours_of_an_unknown_image_are_not_found(searcher):
    with pytest.raises(NotFound, match="'nobody'"):
        searcher.search(Search(StoredQuery("nobody")))


def test_the_neighbours_of_a_rejected_image_are_not_found(searcher, fill):
    fill(a="broken")
    with pytest.raises(NotFound):
        searcher.search(Search(StoredQuery(ref("a.png").id)))


def test_lists_can_be_limited_to_a_status(searcher, fill):
    fill(a="a cat", b="broken")
    rejected = searcher.list_documents(ListRequest(status=Status.REJECTED)).documents
    assert [document.ref.key for document in rejected] == ["b.png"]
    indexed = searcher.list_documents(ListRequest(status=Status.INDEXED)).documents
    assert [document.ref.key for document in indexed] == ["a.png"]


def test_a_record_is_returned_by_id(searcher, fill):
    fill(a="a cat")
    assert searcher.document(ref("a.png").id).ref.key == "a.png"


@pytest.mark.parametrize("was_there", [True, False])
def test_a_missing_record_is_not_found(searcher, store, indexer, fill, was_there):
    if was_there:
        fill(a="a cat")
        store.delete("a.png")
        indexer.process([ref("a.png")])
    with pytest.raises(NotFound):
        searcher.document(ref("a.png").id)


def test_health_counts_searchable_images(searcher, fill):
    fill(a="a cat", b="broken")
    assert searcher.health().images == 1


def test_an_unavailable_index_is_reported(searcher, index):
    index.unavailable = True
    for ask in (
        searcher.health,
        searcher.list_documents,
        lambda: searcher.search(Search(TextQuery("a cat"))),
    ):
        with pytest.raises(Unavailable):
            ask()


BAD = [
    (Search(TextQuery(" ")), "invalid_text"),
    (Search(TextQuery("nothing at all")), "invalid_text"),
    (Search(ImageQuery(b"no image")), "unreadable_image"),
    (Search(StoredQuery("nobody")), "not_found"),
    (Search(TextQuery("a"), limit=0), "invalid_limit"),
    (Search(TextQuery("a"), cursor="made-up"), "invalid_cursor"),
    (Search(MixedQuery((Term(TextQuery("a"), 0),))), "invalid_terms"),
]


def test_each_search_of_a_batch_has_the_result_of_a_single_search(searcher, fill):
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


@pytest.mark.parametrize(("bad", "code"), BAD, ids=[code for _, code in BAD])
def test_a_failed_search_of_a_batch_affects_no_other(searcher, fill, bad, code):
    fill(a="a cat", b="a dog")
    first, failed, last = searcher.search_many(
        [Search(TextQuery("a cat")), bad, Search(TextQuery("a dog"))]
    )
    assert keys(first)[0] == "a.png"
    assert isinstance(failed, ImageSearchError)
    assert failed.code == code
    assert keys(last)[0] == "b.png"


def test_failed_searches_send_no_query_to_the_index(searcher, index):
    failed = searcher.search_many([search for search, _ in BAD])
    assert [error.code for error in failed] == [code for _, code in BAD]
    assert index.requested == []


def test_a_batch_costs_one_encoder_batch_of_each_kind_and_one_round_trip(
    searcher, fill, index, texts, images
):
    fill(a="a", b="b")
    images.batches.clear()
    queries = [TextQuery("c"), TextQuery("d"), ImageQuery(picture("e")), ImageQuery(picture("f"))]
    queries += [StoredQuery(ref("a.png").id), StoredQuery(ref("b.png").id)]
    searcher.search_many([Search(query, filter=KeyPrefix("a")) for query in queries])
    assert (len(texts.batches), len(images.batches)) == (1, 1)
    assert (index.reads, len(index.requested)) == (1, 1)
    assert [query.filter for query in index.requested[0]] == [KeyPrefix("a")] * 6


def test_an_empty_batch_has_no_results(searcher, index, texts):
    assert searcher.search_many([]) == []
    assert (index.requested, texts.batches) == ([], [])


def test_an_unavailable_index_fails_the_batch(searcher, index):
    index.unavailable = True
    with pytest.raises(Unavailable):
        searcher.search_many([Search(TextQuery("a"))] * 2)


def test_feedback_is_on_the_query_before_its_adapter(index, images, fill):
    """An adapter is fitted on, and other models are compared with, what the model itself embeds."""
    fill(a="a cat", b="a dog")
    cat, dog = vector("a cat"), vector("a dog")
    moved = QueryAdapter("adapter 1", {Modality.TEXT: QueryMap((dog - cat)[None], cat[None])}, {})
    ids = SearchIds("fake", FakeDerived())
    searcher = Searcher(index, FakeTexts(), images, ids=ids, adapter=lambda: moved)
    answer = searcher.search(Search(TextQuery("a cat"), feedback=True))
    assert (keys(answer)[0], answer.adapter) == ("b.png", "adapter 1")
    assert ids.find(answer.search_id).embedding == pytest.approx(cat)


def test_a_cursor_is_valid_for_its_query_adapter_only(index, images, fill):
    """Another adapter ranks the hits in another order."""
    fill(**{f"n{number}": f"picture {number}" for number in range(9)})
    in_use = [QueryAdapter("adapter 1", {}, {})]
    searcher = Searcher(index, FakeTexts(), images, adapter=lambda: in_use[0])
    search = Search(TextQuery("a cat"), 3)
    following = replace(search, cursor=searcher.search(search).cursor)
    assert searcher.search(following).hits
    in_use[0] = QueryAdapter("adapter 2", {}, {})
    with pytest.raises(InvalidQuery) as raised:
        searcher.search(following)
    assert raised.value.code == "invalid_cursor"
