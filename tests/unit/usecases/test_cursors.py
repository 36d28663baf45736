"""Claims: a cursor brings back what was sealed, for its own request and for no other text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import Position
from imagesearch.search.pagination import place, seal, seal_place, unseal

values = st.lists(st.text() | st.integers() | st.floats(allow_nan=False) | st.none(), max_size=4)


@given(values, st.text())
def test_what_was_sealed_comes_back(state, request):
    assert unseal(seal(state, request), request) == state


@given(values)
def test_a_cursor_is_safe_in_a_url(state):
    assert seal(state, "").replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_request_is_refused():
    with pytest.raises(InvalidQuery, match="does not belong") as refused:
        unseal(seal([1], "dogs"), "cats")
    assert refused.value.code == "invalid_cursor"


def test_every_change_of_a_character_is_refused():
    cursor = seal([0.25, "an id", 10], "dogs")
    for place_ in range(len(cursor)):
        other = "A" if cursor[place_] != "A" else "B"
        with pytest.raises(InvalidQuery):
            unseal(cursor[:place_] + other + cursor[place_ + 1 :], "dogs")


@pytest.mark.parametrize("tail", ["A", "=", "==", "====", "!", " ", "\n", ".", "é", "\0"])
def test_whatever_is_appended_is_refused(tail):
    with pytest.raises(InvalidQuery):
        unseal(seal([1], "dogs") + tail, "dogs")


@given(st.text())
def test_any_text_is_refused_without_another_error(text):
    with pytest.raises(InvalidQuery):
        unseal(text, "dogs")


def test_a_place_keeps_its_score_to_the_last_bit():
    score = 0.1 + 0.2
    cursor = seal_place(score, "an id", 20, "dogs")
    assert place(cursor, "dogs") == (Position(score, "an id"), 20)


def test_no_cursor_is_the_beginning():
    assert place(None, "dogs") == (None, 0)
    assert place("", "dogs") == (None, 0)
