"""Use case: check that the index is consistent with the bucket.

Merges the listings of bucket and index, both ordered by the UTF-8 bytes of the keys, in constant
memory.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from imagesearch.domain.errors import Unreachable
from imagesearch.domain.images import Document, ImageRef, ObjectState, Status
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import ImageStore, VectorIndex

PAGE_SIZE = 1_000
LISTED_KEYS = 3
# Differences are checked once more, up to this number: a bucket in use always has pending changes.
_MAX_RECHECKS = 1_000

_Entry: TypeAlias = tuple[ImageRef, ObjectState | None, Document | None]


@dataclass(slots=True)
class Drift:
    """Images that differ in one way: their number, and the keys of the first of them."""

    count: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        self.count += 1
        if len(self.keys) < LISTED_KEYS:
            self.keys.append(key)


@dataclass(slots=True)
class ConsistencyReport:
    """Numbers of images in the bucket (`images`) and in the index.

    indexed, rejected: images whose current content is in the index.
    pending: images in the bucket that the index does not contain or contains with other content.
    orphaned: images in the index that the bucket does not contain.
    """

    images: int = 0
    indexed: int = 0
    rejected: int = 0
    pending: Drift = field(default_factory=Drift)
    orphaned: Drift = field(default_factory=Drift)

    @property
    def done(self) -> int:
        return self.indexed + self.rejected

    @property
    def is_consistent(self) -> bool:
        return not self.pending.count and not self.orphaned.count

    def add(self, ref: ImageRef, state: ObjectState | None, document: Document | None) -> None:
        """Count one key by its state in the bucket and its document in the index."""
        if state is None:
            if document:
                self.orphaned.add(ref.key)
            return
        # Without an image extension, only the content shows an image: the index has the result.
        if document is None and not named_as_image(ref.key):
            return
        self.images += 1
        if not _is_equal(state, document):
            self.pending.add(ref.key)
        elif document and document.status is Status.INDEXED:
            self.indexed += 1
        else:
            self.rejected += 1


def check_consistency(store: ImageStore, index: VectorIndex) -> ConsistencyReport:
    """Compare the whole bucket with the whole index. Raises Unavailable."""
    report = ConsistencyReport()
    rechecks = _MAX_RECHECKS
    for ref, state, document in _merged(store, index):
        if not _is_equal(state, document) and rechecks:
            rechecks -= 1
            with suppress(Unreachable):  # the state of the object is unknown
                report.add(ref, *_recheck(store, index, ref))
        else:
            report.add(ref, state, document)
    return report


def _recheck(
    store: ImageStore, index: VectorIndex, ref: ImageRef
) -> tuple[ObjectState | None, Document | None]:
    """The current entries of both: the listings differ in time, and an index lists writes late."""
    stored = index.get([ref.id]).get(ref.id)
    state = store.head(ref) if ref.bucket == store.bucket else None
    return state, stored.document if stored else None


def _is_equal(state: ObjectState | None, document: Document | None) -> bool:
    """Compares ETags only: the time of a multipart upload differs between list and head."""
    if state is None or document is None:
        return state is None and document is None
    return state.etag == document.etag


def _merged(store: ImageStore, index: VectorIndex) -> Iterator[_Entry]:
    """Each key in the bucket or the index once, with the state and the document."""
    documents = _documents(index)
    document = next(documents, None)
    for ref, state in store.list_images():
        while document and document.ref != ref and not _is_later(document.ref, ref):
            yield document.ref, None, document
            document = next(documents, None)
        if document and document.ref == ref:
            yield ref, state, document
            document = next(documents, None)
        else:
            yield ref, state, None
    while document:
        yield document.ref, None, document
        document = next(documents, None)


def _documents(index: VectorIndex) -> Iterator[Document]:
    after = None
    while page := index.list_documents(after=after, limit=PAGE_SIZE):
        yield from page
        after = page[-1].ref.key


def _is_later(indexed: ImageRef, listed: ImageRef) -> bool:
    """False for a document of another bucket, which is never listed: it is reported at once."""
    return indexed.bucket == listed.bucket and indexed.key.encode() > listed.key.encode()
