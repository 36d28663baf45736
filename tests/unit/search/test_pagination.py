"""Pagination: each match is on one page, and a cursor is valid for its own request only."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Status
from imagesearch.domain.queries import (
    ImageQuery,
    MixedQuery,
    Position,
    Search,
    StoredQuery,
    Term,
    TextQuery,
)
from imagesearch.search.listing import ListRequest, Order
from imagesearch.search.pagination import (
    MAX_DEPTH,
    MAX_LIMIT,
    seal,
    seal_position,
    unseal,
    unseal_position,
    unseal_time,
)
from imagesearch.search.searcher import Searcher
from tests.support.fakes import FakeTexts, picture
from tests.support.outcomes import keys


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


def test_a_full_last_page_has_no_cursor(searcher, fill):
    fill(a="a cat", b="a dog")
    assert searcher.search(Search(TextQuery("a cat"), limit=2)).cursor is None


def test_images_of_equal_score_are_returned_once(searcher, fill):
    fill(**{f"n{n}": "the same" for n in range(5)})
    first = searcher.search(Search(TextQuery("a cat"), limit=3))
    second = searcher.search(Search(TextQuery("a cat"), limit=3, cursor=first.cursor))
    assert sorted(keys(first) + keys(second)) == [f"n{n}.png" for n in range(5)]


def test_pages_end_at_the_depth_limit(searcher, fill):
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
        Search(TextQuery("a cat"), filter=KeyPrefix("")),
        Search(StoredQuery("a cat")),
        Search(ImageQuery(picture("a cat"))),
        Search(MixedQuery((Term(TextQuery("a cat")),))),
    ],
)
def test_a_cursor_of_another_search_is_rejected(searcher, fill, other):
    fill(a="a cat", b="a dog")
    cursor = searcher.search(Search(TextQuery("a cat"), limit=1)).cursor
    with pytest.raises(InvalidQuery) as raised:
        searcher.search(replace(other, limit=1, cursor=cursor))
    assert raised.value.code == "invalid_cursor"


@pytest.mark.parametrize(
    "other",
    [
        (Term(TextQuery("a cat"), 2), Term(ImageQuery(picture("b")))),
        (Term(TextQuery("a cat")), Term(ImageQuery(picture("c")))),
        (Term(ImageQuery(picture("b"))), Term(TextQuery("a cat"))),
    ],
)
def test_a_cursor_of_other_terms_is_rejected(searcher, fill, other):
    fill(a="a cat", b="a dog")
    mixed = MixedQuery((Term(TextQuery("a cat")), Term(ImageQuery(picture("b")))))
    cursor = searcher.search(Search(mixed, limit=1)).cursor
    assert len(searcher.search(Search(mixed, limit=1, cursor=cursor)).hits) == 1
    with pytest.raises(InvalidQuery):
        searcher.search(Search(MixedQuery(other), limit=1, cursor=cursor))


def test_a_cursor_of_another_model_is_rejected(searcher, fill, index, images):
    fill(a="a cat", b="a dog")
    cursor = searcher.search(Search(TextQuery("a cat"), limit=1)).cursor
    other = Searcher(index, FakeTexts("another"), images)
    with pytest.raises(InvalidQuery):
        other.search(Search(TextQuery("a cat"), limit=1, cursor=cursor))


def test_a_list_cursor_is_rejected_by_a_search(searcher, fill):
    fill(a="a cat", b="a dog")
    cursor = searcher.list_documents(ListRequest(limit=1)).cursor
    with pytest.raises(InvalidQuery):
        searcher.search(Search(TextQuery("a cat"), limit=1, cursor=cursor))


def test_the_page_size_can_change_between_pages(searcher, fill):
    fill(a="a cat", b="a dog", c="a cow")
    first = searcher.search(Search(TextQuery("a cat"), limit=1))
    rest = searcher.search(Search(TextQuery("a cat"), limit=50, cursor=first.cursor))
    assert len(rest.hits) == 2


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_page_size_out_of_range_is_rejected(searcher, limit):
    for ask in (
        lambda: searcher.search(Search(TextQuery("a cat"), limit=limit)),
        lambda: searcher.list_documents(ListRequest(limit=limit)),
    ):
        with pytest.raises(InvalidQuery) as raised:
            ask()
        assert raised.value.code == "invalid_limit"


def test_lists_are_in_the_order_of_key_bytes_and_return_each_image_once(searcher, fill):
    fill(b="b", a="a", é="c", B="d", Z__z="e")
    found, cursor = [], None
    while True:
        listing = searcher.list_documents(ListRequest(limit=2, cursor=cursor))
        found += [document.ref.key for document in listing.documents]
        if not (cursor := listing.cursor):
            break
    assert found == ["B.png", "Z/z.png", "a.png", "b.png", "é.png"]


def test_a_list_cursor_is_rejected_by_another_list(searcher, fill):
    fill(a="a", b="b")
    cursor = searcher.list_documents(ListRequest(limit=1)).cursor
    for other in (
        ListRequest(cursor=cursor, status=Status.INDEXED),
        ListRequest(cursor=cursor, collection="a"),
        ListRequest(cursor=cursor, prefix=""),
        ListRequest(cursor=cursor, order=Order.NEWEST_FIRST),
    ):
        with pytest.raises(InvalidQuery) as raised:
            searcher.list_documents(other)
        assert raised.value.code == "invalid_cursor"


values = st.lists(st.text() | st.integers() | st.floats(allow_nan=False) | st.none(), max_size=4)


@given(values, st.text())
def test_a_sealed_value_is_restored(state, request):
    types = [type(value) for value in state]
    assert unseal(seal(state, request), request, *types) == state
    with pytest.raises(InvalidQuery):
        unseal(seal(state, request), request, *types, str)


@given(values)
def test_a_cursor_is_safe_in_a_url(state):
    assert seal(state, "").replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_request_is_rejected():
    with pytest.raises(InvalidQuery, match="does not belong") as raised:
        unseal(seal([1], "dogs"), "cats", int)
    assert raised.value.code == "invalid_cursor"


def test_every_changed_character_is_rejected():
    cursor = seal([0.25, "an id", 10], "dogs")
    for place_ in range(len(cursor)):
        other = "A" if cursor[place_] != "A" else "B"
        with pytest.raises(InvalidQuery):
            unseal(cursor[:place_] + other + cursor[place_ + 1 :], "dogs", float, str, int)


@pytest.mark.parametrize("tail", ["A", "=", "==", "====", "!", " ", "\n", ".", "é", "\0"])
def test_appended_characters_are_rejected(tail):
    with pytest.raises(InvalidQuery):
        unseal(seal([1], "dogs") + tail, "dogs", int)


@given(st.text())
def test_any_text_is_rejected_without_another_error(text):
    with pytest.raises(InvalidQuery):
        unseal(text, "dogs")


@given(values | st.recursive(st.none(), st.lists, max_leaves=5).map(lambda state: [state]))
def test_a_forged_state_is_rejected_without_another_error(state):
    """Not even a signed state of another form is an error of the server."""
    for read in (unseal_position, unseal_time):
        with suppress(InvalidQuery):
            read(seal(state, "dogs"), "dogs")
    for forged in ([2.0, "id", 1], [float("nan"), "id", 1], [0.5, "id", MAX_DEPTH], ["x", "y"]):
        for read in (unseal_position, unseal_time):
            with pytest.raises(InvalidQuery):
                read(seal(forged, "dogs"), "dogs")


def test_a_cursor_preserves_the_exact_score():
    score = 0.1 + 0.2
    cursor = seal_position(Position(score, "an id"), 20, "dogs")
    assert unseal_position(cursor, "dogs") == (Position(score, "an id"), 20)


def test_no_cursor_means_the_first_page():
    assert unseal_position(None, "dogs") == (None, 0)
    assert unseal_position("", "dogs") == (None, 0)
