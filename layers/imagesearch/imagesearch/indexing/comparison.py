"""Comparison of the bucket with the index: a merge of both listings, in constant memory.

Both are ordered by the UTF-8 bytes of the keys. They are read at different times, so a difference
is a reason to process a key, never proof that the index is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from imagesearch.domain.images import ImageRef, IndexEntry, ObjectState
from imagesearch.domain.ports import VectorIndex

RESOLUTION = timedelta(seconds=1)


class Difference(StrEnum):
    """A way in which bucket and index differ on a key.

    MISSING: the index has no record of an object. CHANGED: it has one of another content.
    GONE: it has a record of an object that the bucket does not contain, or of another bucket.
    """

    MISSING = "missing"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys after `after`, up to and including `until`, in the order of their UTF-8 bytes.

    Without `until` the range has no end.
    """

    after: str = ""
    until: str | None = None

    def ends_before(self, key: str) -> bool:
        return self.until is not None and key.encode() > self.until.encode()


EVERY_KEY = KeyRange()


class Listing(Protocol):
    """The objects of a bucket: an ImageStore, or a report of its inventory."""

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """See `ImageStore.list_images`."""


class Compared(NamedTuple):
    """A key with the state of its object and its index entry; None for one that does not exist."""

    ref: ImageRef
    state: ObjectState | None
    entry: IndexEntry | None

    @property
    def difference(self) -> Difference | None:
        """Compares ETags only: the time of a multipart upload differs between list and head."""
        if self.entry is None:
            return Difference.MISSING if self.state else None
        if self.state is None:
            return Difference.GONE
        return None if self.state.etag == self.entry.etag else Difference.CHANGED

    @property
    def is_newer(self) -> bool:
        """True if the object was written after its entry: its metadata may differ.

        S3 rounds times down to seconds: in the second of the entry, another time is a change, too.
        """
        if not (self.state and self.entry):
            return False
        written, known = self.state.last_modified, self.entry.last_modified
        same_second = written + RESOLUTION > self.entry.indexed_at
        return written > self.entry.indexed_at or (
            same_second and abs(written - known) >= RESOLUTION
        )


def compare(objects: Listing, index: VectorIndex, keys: KeyRange = EVERY_KEY) -> Iterator[Compared]:
    """Each key of the range that the bucket or the index contains. Raises Unavailable.

    A key is repeated if the index contains it for several buckets.
    """
    for compared in _merged(objects, index, keys.after):
        if keys.ends_before(compared.ref.key):
            return
        yield compared


def _merged(objects: Listing, index: VectorIndex, after: str) -> Iterator[Compared]:
    entries = index.list_entries(after=after)
    entry = next(entries, None)
    for ref, state in objects.list_images(after):
        while entry and entry.ref != ref and not _is_later(entry.ref, ref):
            yield Compared(entry.ref, None, entry)
            entry = next(entries, None)
        if entry and entry.ref == ref:
            yield Compared(ref, state, entry)
            entry = next(entries, None)
        else:
            yield Compared(ref, state, None)
    while entry:
        yield Compared(entry.ref, None, entry)
        entry = next(entries, None)


def _is_later(indexed: ImageRef, listed: ImageRef) -> bool:
    """True for a later key; an equal key of another bucket, which is never listed, is not later."""
    return indexed.key.encode() > listed.key.encode()
