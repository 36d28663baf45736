"""Use case: find the thumbnails that records name and that are missing or damaged.

The names of thumbnails contain checksums. Of those of earlier releases, which have none, files are
found that are missing or have lost their end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from imagesearch.domain.derived_objects import is_intact, read_each
from imagesearch.domain.images import Document, ImageRef
from imagesearch.domain.ports import DerivedStore, Touch, VectorIndex, WriteStatus
from imagesearch.domain.storage_keys import checksum_of, large_thumbnail_key

_DOCUMENTS_PER_READ, _DOCUMENTS_PER_WRITE = 1_000, 200
_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_WEBP, _WEBP_HEADER_BYTES = b"RIFF", 8


@dataclass(frozen=True, slots=True)
class DamagedThumbnail:
    """An image with a thumbnail that cannot be used; `key` is what its record names."""

    ref: ImageRef
    key: str
    reason: str


def damaged_thumbnails(index: VectorIndex, derived: DerivedStore) -> Iterator[DamagedThumbnail]:
    """Read every thumbnail that the index names. Raises Unavailable.

    Damage is confirmed by a second read of the record: its thumbnail may be replaced meanwhile.
    """
    named = (each.document for each in index.scan() if each.document.thumbnail)
    while documents := list(islice(named, _DOCUMENTS_PER_READ)):
        if found := _damaged(documents, derived):
            stored = index.get([each.ref.id for each in found]).values()
            current = [each.document for each in stored if each.document]
            names = {each.key for each in found}
            yield from _damaged([each for each in current if each.thumbnail in names], derived)


def forget_thumbnails(
    index: VectorIndex, derived: DerivedStore, damaged: Iterable[DamagedThumbnail]
) -> None:
    """Remove thumbnails from the records, so that the indexer creates them again.

    Records that have changed since are left as they are. Raises Unavailable.
    """
    rest = iter(damaged)
    while batch := list(islice(rest, _DOCUMENTS_PER_WRITE)):
        _forget(index, derived, {each.ref.id: each.key for each in batch})


def _forget(index: VectorIndex, derived: DerivedStore, keys: Mapping[str, str]) -> None:
    """`keys` are the thumbnails by the ids of their images."""
    writes = [
        Touch(replace(stored.document, thumbnail=None, large_thumbnail=False), stored.version)
        for id, stored in index.get(list(keys)).items()
        if stored.document and stored.document.thumbnail == keys[id]
    ]
    for write, result in zip(writes, index.write(writes), strict=True):
        if result.status is WriteStatus.WRITTEN:
            key = keys[write.ref.id]
            derived.delete(large_thumbnail_key(key))
            derived.delete(key)


def _damaged(documents: Sequence[Document], derived: DerivedStore) -> list[DamagedThumbnail]:
    keys = {key: each for each in documents for key in _keys(each)}
    found: dict[ImageRef, DamagedThumbnail] = {}
    for key, data in read_each(derived, keys):
        document = keys[key]
        if reason := _damage(key, data):
            found[document.ref] = DamagedThumbnail(document.ref, document.thumbnail or "", reason)
    return list(found.values())


def _keys(document: Document) -> list[str]:
    small = document.thumbnail
    if not small:
        return []
    return [small, large_thumbnail_key(small)] if document.large_thumbnail else [small]


def _damage(key: str, data: bytes | None) -> str:
    """The reason why a thumbnail cannot be used, or ""."""
    if data is None:
        return "its thumbnail is missing"
    is_usable = is_intact(key, data) if checksum_of(key) else _is_complete(data)
    return "" if is_usable else "its thumbnail is damaged"


def _is_complete(data: bytes) -> bool:
    """False for a JPEG or WebP file without its end, and for a file of another format."""
    if data.startswith(_WEBP):
        return len(data) >= _WEBP_HEADER_BYTES + int.from_bytes(data[4:8], "little")
    return data.startswith(_JPEG) and data.endswith(_END_OF_JPEG)
