"""Claims: damaged and missing thumbnails are found, and created again by the indexer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.derived_objects import is_intact
from imagesearch.domain.ports import Put
from imagesearch.domain.storage_keys import large_thumbnail_key, thumbnail_key
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.thumbnail_verification import damaged_thumbnails, forget_thumbnails
from tests.support.fakes import FakeDerived, picture, ref
from tests.support.outcomes import process

MISSING, DAMAGED = "its thumbnail is missing", "its thumbnail is damaged"


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def indexer(store, index, images, derived) -> Indexer:
    store.put("a.png", picture("large a"))
    store.put("b.png", picture("b"))
    indexer = Indexer(store, index, images, derived=derived)
    process(indexer, "a.png", "b.png")
    return indexer


@pytest.fixture
def key(index, indexer) -> str:
    """The thumbnail of a.png, which has a larger one."""
    return index.get([ref("a.png").id])[ref("a.png").id].document.thumbnail


def found(index, derived) -> dict[str, str]:
    return {each.ref.key: each.reason for each in damaged_thumbnails(index, derived)}


def damage(derived: FakeDerived, key: str, data: bytes) -> None:
    derived.files[key] = data, "image/jpeg"


@pytest.mark.parametrize("name", [str, large_thumbnail_key], ids=["small", "large"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-1], DAMAGED),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], DAMAGED),
        (lambda _: b"", DAMAGED),
        (None, MISSING),
    ],
    ids=["truncated", "flipped", "empty", "missing"],
)
def test_a_damaged_thumbnail_is_found_and_created_again(
    store, index, derived, indexer, key, name, change, reason
):
    before = dict(derived.files)
    data, _ = derived.files.pop(name(key))
    if change:
        damage(derived, name(key), change(data))
    assert found(index, derived) == {"a.png": reason}
    assert process(indexer, "a.png") == {"a.png": "unchanged"}

    forget_thumbnails(index, derived, damaged_thumbnails(index, derived))
    assert process(indexer, "a.png", "b.png") == {"a.png": "indexed", "b.png": "unchanged"}
    assert found(index, derived) == {}
    assert sorted(derived.files.values()) == sorted(before.values())


@given(
    data=st.binary(min_size=1),
    large=st.none() | st.binary(min_size=1),
    flips=st.lists(st.integers(0, 31), min_size=1, unique=True),
    place=st.integers(0),
)
def test_any_flipped_bits_within_32_are_detected(data, large, flips, place):
    key = thumbnail_key(ref("a.png"), "sha256", 1, data, large)
    for each, content in ((key, data), (large_thumbnail_key(key), large)):
        if not content:
            continue
        assert is_intact(each, content)
        start = place % (8 * len(content))
        changed = int.from_bytes(content, "little")
        for flip in flips:
            changed ^= 1 << min(start + flip, 8 * len(content) - 1)
        damaged = changed.to_bytes(len(content), "little")
        assert is_intact(each, damaged) == (damaged == content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xd8...\xff\xd9", ""),
        (b"\xff\xd8...", DAMAGED),
        (b"RIFF\x04\x00\x00\x00WEBP", ""),
        (b"RIFF\x04\x00\x00\x00WEB", DAMAGED),
        (b"other", DAMAGED),
        (b"", DAMAGED),
    ],
)
def test_a_thumbnail_without_a_checksum_is_checked_for_its_end(
    index, derived, indexer, key, content, reason
):
    stored = index.get([ref("a.png").id])[ref("a.png").id]
    old = f"thumbnails/{ref('a.png').id}/{'0' * 32}.webp"
    document = replace(stored.document, thumbnail=old, large_thumbnail=False)
    index.write([Put(document, None, stored.version)])
    damage(derived, old, content)
    assert found(index, derived) == ({"a.png": reason} if reason else {})


def test_a_thumbnail_that_is_replaced_meanwhile_is_not_damaged(
    store, index, derived, indexer, key, monkeypatch
):
    scan = index.scan

    def scan_then_replace():
        records = list(scan())
        store.put("a.png", picture("large c"))
        process(indexer, "a.png")
        return iter(records)

    monkeypatch.setattr(index, "scan", scan_then_replace)
    assert found(index, derived) == {}
    assert key not in derived.files


def test_a_record_that_has_changed_keeps_its_thumbnail(store, index, derived, indexer, key):
    del derived.files[key]
    damaged = list(damaged_thumbnails(index, derived))
    store.put("a.png", picture("large c"))
    process(indexer, "a.png")
    forget_thumbnails(index, derived, damaged)
    assert process(indexer, "a.png") == {"a.png": "unchanged"}


@pytest.mark.parametrize("name", [str, large_thumbnail_key], ids=["small", "large"])
def test_a_damaged_thumbnail_is_not_copied(store, index, derived, indexer, key, name):
    damage(derived, name(key), b"other")
    store.put("copy.png", picture("large a"))
    assert process(indexer, "copy.png") == {"copy.png": "indexed"}
    assert found(index, derived) == {"a.png": DAMAGED}
