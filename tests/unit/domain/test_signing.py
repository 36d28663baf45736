"""Claims: a text that this deployment has not signed for a purpose and a scope is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.signing import payload_of, signed, signing_key

SECRET = b"s" * 32
edits = st.tuples(st.integers(0, 200), st.text(max_size=3), st.integers(0, 3))


@given(st.binary(max_size=80), st.text(max_size=20))
def test_a_signed_payload_is_returned_to_the_same_deployment_purpose_and_scope(payload, purpose):
    with signing_key(SECRET, "cats"):
        text = signed(payload, purpose)
        assert payload_of(text, purpose) == payload
        with pytest.raises(ValueError, match="not "):
            payload_of(text, f"{purpose}!")
    for secret, scope in ((b"other" * 8, "cats"), (SECRET, "dogs"), (None, "cats")):
        with signing_key(secret, scope), pytest.raises(ValueError, match="not "):
            payload_of(text, purpose)


@given(st.binary(max_size=40), edits)
def test_any_change_of_a_text_is_refused(payload, edit):
    place, new, dropped = edit
    text = signed(payload, "cursor")
    changed = text[:place] + new + text[place + dropped :]
    if changed != text:
        with pytest.raises(ValueError, match="not "):
            payload_of(changed, "cursor")


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused_without_another_error(text):
    with pytest.raises(ValueError, match="not "):
        payload_of(text, "cursor")


def test_no_payload_continues_the_purpose():
    assert signed(b"bc", "a")[:22] != signed(b"c", "ab")[:22]
