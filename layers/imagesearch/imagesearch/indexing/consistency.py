"""Use case: does the index say what the bucket says?

The bucket's listing and the index's are merged as they come, both in the order of the keys'
UTF-8 bytes: memory stays the same however many images there are.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from imagesearch.domain.errors import Unreachable
from imagesearch.domain.images import Document, ImageRef, ObjectState, Status
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import ImageStore, VectorIndex

PAGE = 1_000
FIRST_KEYS = 3
# So many disagreements are looked at once more; a bucket in use always has some under way.
SECOND_LOOKS = 1_000


@dataclass(slots=True)
class Drift:
    """Images of one kind: how many, and the keys of the first few."""

    count: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        self.count += 1
        if len(self.keys) < FIRST_KEYS:
            self.keys.append(key)


@dataclass(slots=True)
class ConsistencyReport:
    """`images` are in the bucket; of them the index has `indexed` or `rejected` as they are now.

    `waiting` are in the bucket, and the index does not know them or knows other bytes;
    `stale` are in the index, and the bucket does not hold them.
    """

    images: int = 0
    indexed: int = 0
    rejected: int = 0
    waiting: Drift = field(default_factory=Drift)
    stale: Drift = field(default_factory=Drift)

    @property
    def done(self) -> int:
        return self.indexed + self.rejected

    @property
    def holds(self) -> bool:
        return not self.waiting.count and not self.stale.count

    def add(self, ref: ImageRef, state: ObjectState | None, document: Document | None) -> None:
        """Count one key as bucket and index have it."""
        if state is None:
            if document:
                self.stale.add(ref.key)
            return
        # What is not named as an image is one only if its bytes say so: the index knows.
        if document is None and not named_as_image(ref.key):
            return
        self.images += 1
        if not _agrees(state, document):
            self.waiting.add(ref.key)
        elif document and document.status is Status.INDEXED:
            self.indexed += 1
        else:
            self.rejected += 1


def check_consistency(store: ImageStore, index: VectorIndex) -> ConsistencyReport:
    """Compare all of the bucket with all of the index. Raises Unavailable."""
    found = ConsistencyReport()
    looks = SECOND_LOOKS
    for ref, state, document in _joined(store, index):
        if not _agrees(state, document) and looks:
            looks -= 1
            with suppress(Unreachable):  # it may be as the index says, or not
                found.add(ref, *_look(store, index, ref))
        else:
            found.add(ref, state, document)
    return found


def _look(
    store: ImageStore, index: VectorIndex, ref: ImageRef
) -> tuple[ObjectState | None, Document | None]:
    """Both sides now: their listings are not of one moment, and an index lists a write late."""
    stored = index.get([ref.id]).get(ref.id)
    state = store.head(ref) if ref.bucket == store.bucket else None
    return state, stored.document if stored else None


def _agrees(state: ObjectState | None, document: Document | None) -> bool:
    """The ETag decides alone: an upload in parts has one time in a listing, another in a look."""
    if state is None or document is None:
        return state is None and document is None
    return state.etag == document.etag


Joined = tuple[ImageRef, ObjectState | None, Document | None]


def _joined(store: ImageStore, index: VectorIndex) -> Iterator[Joined]:
    """Each key of either side once, with what both sides have of it."""
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
    while page := index.list_documents(after=after, limit=PAGE):
        yield from page
        after = page[-1].ref.key


def _is_later(indexed: ImageRef, listed: ImageRef) -> bool:
    """What is of another bucket has no place in the listing: it is told where it is met."""
    return indexed.bucket == listed.bucket and indexed.key.encode() > listed.key.encode()
