"""Scopes: only images in the collections of a key are visible and can be changed."""

from datetime import UTC, datetime

import pytest

from imagesearch.access import Scope, ScopedChanges, ScopedStore, key_bindings
from imagesearch.domain.errors import NotAllowed, NotFound
from tests.support.fakes import FakeStore, ref

CATS = Scope(frozenset({"cats"}))


class Changes:
    """Records changes."""

    def __init__(self):
        self.changed = []

    def upload_form(self, ref, content_type, metadata, now):
        self.changed.append(ref.key)

    def delete(self, ref):
        self.changed.append(ref.key)


def test_a_scoped_store_contains_only_its_collections():
    store = FakeStore()
    for key in ("cats/1.png", "dogs/1.png", "1.png"):
        store.put(key, b"")
    scoped = ScopedStore(store, CATS)
    assert [each.key for each, _ in scoped.list_images()] == ["cats/1.png"]
    assert scoped.head(ref("cats/1.png"))
    assert scoped.head(ref("dogs/1.png")) is None
    with pytest.raises(NotAllowed):
        scoped.url(ref("1.png"))


def test_uploads_and_deletions_are_limited_to_the_scope():
    changes = Changes()
    scoped = ScopedChanges(changes, CATS)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for key in ("dogs/1.png", "1.png"):
        with pytest.raises(NotAllowed) as raised:
            scoped.upload_form(ref(key), "image/png", {}, now)
        assert "cats" in raised.value.hint
        with pytest.raises(NotFound):
            scoped.delete(ref(key))
    assert changes.changed == []
    scoped.upload_form(ref("cats/1.png"), "image/png", {}, now)
    scoped.delete(ref("cats/1.png"))
    assert changes.changed == ["cats/1.png", "cats/1.png"]


def test_scopes_are_read_from_a_list():
    bound = key_bindings("ab12=cats/dogs,cd34=a%2Cb,star=%2A,admin=*")
    assert bound.scopes == {
        "ab12": Scope(frozenset({"cats", "dogs"})),
        "cd34": Scope(frozenset({"a,b"})),
        "star": Scope(frozenset({"*"})),
        "admin": None,
    }
    for key_id in (None, "", "ab1", "ab123", "AB12"):
        with pytest.raises(NotAllowed) as raised:
            bound.scope_of(key_id)
        assert raised.value.code == "key_not_bound"
    assert key_bindings("").scope_of(None) is None


@pytest.mark.parametrize(
    "text",
    [
        *("ab12", "=cats", "ab12=", "ab12=/", "a=cats,a=dogs", "a=cats//dogs", "a=cats/"),
        *("a=cats,", ",a=cats", "a=cats,,b=dogs", "a = cats", "a=cats, b=dogs", " ", ","),
    ],
)
def test_an_invalid_list_of_scopes_is_rejected(text):
    with pytest.raises(ValueError, match="key-id=cats/dogs"):
        key_bindings(text)
