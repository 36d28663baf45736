"""Claims about answers and their pages."""

import pytest

from imagesearch.domain import Status
from imagesearch.errors import InvalidQuery, NotFound, Unavailable, UnreadableImage
from imagesearch.searching import (
    MAX_DEPTH,
    MAX_LIMIT,
    MAX_TEXT,
    ImageQuery,
    Search,
    Searcher,
    StoredQuery,
    TextQuery,
)

from .fakes import FakeTexts, picture, ref


@pytest.fixture
def fill(store, indexer):
    """Puts pictures of these words under these keys and indexes them."""

    def fill(**words: str) -> None:
        keyed = {name.replace("__", "/") + ".png": said for name, said in words.items()}
        for key, said in keyed.items():
            store.put(key, picture(said))
        indexer.look_at([ref(key) for key in keyed])

    return fill


def keys(answer) -> list[str]:
    return [hit.document.ref.key for hit in answer.hits]


def test_words_find_the_picture_that_shows_them(searcher, fill):
    fill(a="a cat", b="a dog")
    answer = searcher.search(Search(TextQuery("a dog")))
    assert keys(answer)[0] == "b.png"
    assert answer.hits[0].score == pytest.approx(1)
    assert answer.cursor is None
    assert answer.model == "fake"


def test_a_picture_finds_itself(searcher, fill):
    fill(a="a cat", b="a dog")
    assert keys(searcher.search(Search(ImageQuery(picture("a cat")))))[0] == "a.png"


def test_an_indexed_image_finds_its_neighbours_and_not_itself(searcher, fill):
    fill(a="a cat", b="a cat", c="a dog")
    assert keys(searcher.search(Search(StoredQuery(ref("a.png").id)))) == ["b.png", "c.png"]


def test_a_collection_keeps_to_itself(searcher, fill):
    fill(cats__a="a cat", dogs__a="a dog", a="a cat")
    found = searcher.search(Search(TextQuery("a cat"), collection="dogs"))
    assert keys(found) == ["dogs/a.png"]


def test_times_are_told_in_milliseconds(searcher, fill):
    took = searcher.search(Search(TextQuery("a cat"))).took_ms
    assert 0 <= took.embed <= took.total
    assert 0 <= took.search <= took.total


def test_each_search_has_an_id_of_its_own(searcher):
    search = Search(TextQuery("a cat"))
    assert searcher.search(search).search_id != searcher.search(search).search_id


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 100])
def test_pages_return_every_match_once(searcher, fill, limit):
    fill(**{f"n{n}": f"picture {n}" for n in range(20)})
    whole = keys(searcher.search(Search(TextQuery("a cat"), limit=100)))
    found, cursor = [], None
    while True:
        page = searcher.search(Search(TextQuery("a cat"), limit=limit, cursor=cursor))
        found += keys(page)
        if not (cursor := page.cursor):
            break
        assert len(page.hits) == limit
    assert found == whole
    assert len(set(found)) == 20


def test_a_last_page_that_is_just_full_has_no_cursor(searcher, fill):
    fill(a="a cat", b="a dog")
    assert searcher.search(Search(TextQuery("a cat"), limit=2)).cursor is None


def test_images_of_equal_score_come_once_each(searcher, fill):
    fill(**{f"n{n}": "the same" for n in range(5)})
    first = searcher.search(Search(TextQuery("a cat"), limit=3))
    second = searcher.search(Search(TextQuery("a cat"), limit=3, cursor=first.cursor))
    assert sorted(keys(first) + keys(second)) == [f"n{n}.png" for n in range(5)]


def test_pages_end_at_the_stated_depth(searcher, fill):
    fill(**{f"n{n:04}": f"picture {n}" for n in range(MAX_DEPTH + 10)})
    found, cursor, pages = 0, None, 0
    while pages == 0 or cursor:
        page = searcher.search(Search(TextQuery("a cat"), limit=90, cursor=cursor))
        found, cursor, pages = found + len(page.hits), page.cursor, pages + 1
    assert (found, pages) == (MAX_DEPTH, 12)


@pytest.mark.parametrize(
    "other",
    [
        Search(TextQuery("a dog")),
        Search(TextQuery("a cat"), collection="n"),
        Search(StoredQuery("a cat")),
        Search(ImageQuery(picture("a cat"))),
    ],
)
def test_a_cursor_of_another_search_is_refused(searcher, fill, other):
    fill(a="a cat", b="a dog")
    cursor = searcher.search(Search(TextQuery("a cat"), limit=1)).cursor
    with pytest.raises(InvalidQuery) as refused:
        searcher.search(Search(other.query, 1, cursor, other.collection))
    assert refused.value.code == "invalid_cursor"


def test_a_cursor_of_another_model_is_refused(searcher, fill, index, images):
    fill(a="a cat", b="a dog")
    cursor = searcher.search(Search(TextQuery("a cat"), limit=1)).cursor
    other = Searcher(index, FakeTexts("another"), images)
    with pytest.raises(InvalidQuery):
        other.search(Search(TextQuery("a cat"), limit=1, cursor=cursor))


def test_a_list_s_cursor_is_no_search_s(searcher, fill):
    fill(a="a cat", b="a dog")
    cursor = searcher.list_documents(limit=1).cursor
    with pytest.raises(InvalidQuery):
        searcher.search(Search(TextQuery("a cat"), limit=1, cursor=cursor))


def test_another_page_size_may_be_asked_for_on_the_way(searcher, fill):
    fill(a="a cat", b="a dog", c="a cow")
    first = searcher.search(Search(TextQuery("a cat"), limit=1))
    rest = searcher.search(Search(TextQuery("a cat"), limit=50, cursor=first.cursor))
    assert len(rest.hits) == 2


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_limit_outside_the_stated_ones_is_refused(searcher, limit):
    for ask in (
        lambda: searcher.search(Search(TextQuery("a cat"), limit=limit)),
        lambda: searcher.list_documents(limit=limit),
    ):
        with pytest.raises(InvalidQuery) as refused:
            ask()
        assert refused.value.code == "invalid_limit"


@pytest.mark.parametrize("text", ["", " ", "\t\n\u3000", "x" * (MAX_TEXT + 1)])
def test_a_text_that_is_blank_or_too_long_is_refused(searcher, text):
    with pytest.raises(InvalidQuery) as refused:
        searcher.search(Search(TextQuery(text)))
    assert refused.value.code == "invalid_text"


@pytest.mark.parametrize("text", ["x", "x" * MAX_TEXT, "🐈", "a\0b", "\x07"])
def test_any_other_text_is_answered(searcher, text):
    assert searcher.search(Search(TextQuery(text))).hits == []


def test_an_unreadable_query_image_says_so(searcher):
    with pytest.raises(UnreadableImage):
        searcher.search(Search(ImageQuery(b"not an image")))


def test_the_neighbours_of_an_unknown_image_are_not_found(searcher):
    with pytest.raises(NotFound, match="'nobody'"):
        searcher.search(Search(StoredQuery("nobody")))


def test_the_neighbours_of_a_rejected_image_are_not_found(searcher, fill):
    fill(a="broken")
    with pytest.raises(NotFound):
        searcher.search(Search(StoredQuery(ref("a.png").id)))


def test_lists_go_by_the_bytes_of_keys_and_return_each_once(searcher, fill):
    fill(b="b", a="a", é="c", B="d", Z__z="e")
    found, cursor = [], None
    while True:
        listing = searcher.list_documents(limit=2, cursor=cursor)
        found += [document.ref.key for document in listing.documents]
        if not (cursor := listing.cursor):
            break
    assert found == ["B.png", "Z/z.png", "a.png", "b.png", "é.png"]


def test_lists_can_be_of_one_status(searcher, fill):
    fill(a="a cat", b="broken")
    rejected = searcher.list_documents(status=Status.REJECTED).documents
    assert [document.ref.key for document in rejected] == ["b.png"]
    indexed = searcher.list_documents(status=Status.INDEXED).documents
    assert [document.ref.key for document in indexed] == ["a.png"]


def test_a_list_s_cursor_is_refused_by_another_list(searcher, fill):
    fill(a="a", b="b")
    cursor = searcher.list_documents(limit=1).cursor
    with pytest.raises(InvalidQuery):
        searcher.list_documents(limit=1, cursor=cursor, status=Status.INDEXED)


def test_a_record_can_be_asked_for_by_id(searcher, fill):
    fill(a="a cat")
    assert searcher.document(ref("a.png").id).ref.key == "a.png"


@pytest.mark.parametrize("was_there", [True, False])
def test_a_record_that_is_not_there_is_not_found(searcher, store, indexer, fill, was_there):
    if was_there:
        fill(a="a cat")
        store.delete("a.png")
        indexer.look_at([ref("a.png")])
    with pytest.raises(NotFound):
        searcher.document(ref("a.png").id)


def test_health_counts_what_search_can_find(searcher, fill):
    fill(a="a cat", b="broken")
    assert searcher.health().images == 1


def test_an_index_that_is_away_is_said_to_be(searcher, index):
    index.away = True
    for ask in (
        searcher.health,
        searcher.list_documents,
        lambda: searcher.search(Search(TextQuery("a cat"))),
    ):
        with pytest.raises(Unavailable):
            ask()
