"""Use case: check that the index is consistent with the bucket, in constant memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imagesearch.domain.errors import Unreachable
from imagesearch.domain.images import ImageRef, Status
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import ImageStore, VectorIndex
from imagesearch.indexing.comparison import Compared, compare

LISTED_KEYS = 3
# Differences are checked once more, up to this number: a bucket in use always has pending changes.
_MAX_RECHECKS = 1_000


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

    def add(self, compared: Compared) -> None:
        """Count one key by its state in the bucket and its entry in the index."""
        ref, state, entry = compared
        if state is None:
            self.orphaned.add(ref.key)
            return
        self.images += 1
        if compared.difference:
            self.pending.add(ref.key)
        elif entry and entry.status is Status.INDEXED:
            self.indexed += 1
        else:
            self.rejected += 1


def check_consistency(store: ImageStore, index: VectorIndex) -> ConsistencyReport:
    """Compare the whole bucket with the whole index. Raises Unavailable."""
    report = ConsistencyReport()
    for compared in confirmed(store, index):
        report.add(compared)
    return report


def confirmed(
    store: ImageStore,
    index: VectorIndex,
    unreachable: Callable[[ImageRef], object] = lambda _: None,
    rechecks: int = _MAX_RECHECKS,
) -> Iterator[Compared]:
    """Every image of the bucket or the index; differences are those of a second read.

    After `rechecks` differences, further ones are those of the listings.

    Objects that are not named as images are omitted unless the index contains them. `unreachable`
    is called for those whose existence cannot be determined. Raises Unavailable.
    """
    for compared in compare(store, index):
        current = compared
        if compared.difference and rechecks:
            rechecks -= 1
            try:
                current = _recheck(store, index, compared)
            except Unreachable:
                unreachable(compared.ref)
                continue
        # Without an image extension, only the content shows an image: the index has the result.
        if current.entry or (current.state and named_as_image(current.ref.key)):
            yield current


def _recheck(store: ImageStore, index: VectorIndex, compared: Compared) -> Compared:
    """The current entries of both: the listings differ in time, and an index lists writes late."""
    ref = compared.ref
    stored = index.get([ref.id]).get(ref.id)
    document = stored.document if stored else None
    entry = document.entry if document else None
    return Compared(ref, store.head(ref) if ref.bucket == store.bucket else None, entry)
