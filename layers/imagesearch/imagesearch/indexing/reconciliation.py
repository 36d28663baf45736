"""Use case: find what the index missed, and have it processed again.

Changes reach the index as events. An event can be lost: a rule was disabled, a queue expired, the
bucket of the stack was changed. Reconciliation compares bucket and index, and sends the keys on
which they differ to the queue of the indexer, which reads both again before it writes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from imagesearch.domain.images import ImageRef
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import ImageStore, RecheckQueue, VectorIndex
from imagesearch.indexing.comparison import EVERY_KEY, Compared, Difference, KeyRange, compare

KEYS_PER_RANGE = 1_000_000
KEYS_PER_STOP_CHECK = 1_000
# One request of SQS: ten messages of ten keys.
KEYS_PER_SEND = 100
MAX_SAMPLE = 10_000
ID_LETTERS = 64
# Only the content of an object without an image extension shows that it is not an image, and the
# index does not record that. The period is longer than that between two reconciliations.
UNNAMED_FOR = timedelta(days=3)


COMPARED = "compared"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The result for a part of a range; `rest` is the part that is not compared yet.

    `counts` has the number of compared keys and that of each kind of difference.
    """

    counts: Mapping[str, int]
    rest: KeyRange | None


class Reconciler:
    """Compares ranges of keys; several may run at the same time, and each may be repeated."""

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        queue: RecheckQueue,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._index = index
        self._queue = queue
        self._clock = clock

    def ranges(self) -> list[KeyRange]:
        """Ranges of about KEYS_PER_RANGE indexed keys that cover every key. Raises Unavailable."""
        images = self._index.count()
        parts = ceil(images / KEYS_PER_RANGE)
        if parts <= 1:
            return [EVERY_KEY]
        return split(self._sample(images), parts)

    def reconcile(self, keys: KeyRange, stopping: Callable[[], bool]) -> Reconciled:
        """Send the keys of a range on which bucket and index differ, until `stopping` is true.

        Raises Unavailable; the keys that were sent before may be sent again.
        """
        counts = Counter(dict.fromkeys((COMPARED, *Difference), 0))
        sending, last = KeySender(self._queue), keys.after
        for compared in compare(self._store, self._index, keys):
            checks = counts[COMPARED] and counts[COMPARED] % KEYS_PER_STOP_CHECK == 0
            # A key may be repeated, with another bucket.
            if checks and compared.ref.key != last and stopping():
                sending.flush()
                return Reconciled(counts, KeyRange(last, keys.until))
            last = compared.ref.key
            counts[COMPARED] += 1
            if difference := self._difference(compared):
                counts[difference] += 1
                sending.add(compared.ref)
        sending.flush()
        return Reconciled(counts, None)

    def _difference(self, compared: Compared) -> Difference | None:
        ref, state, entry = compared
        if state and entry is None and not named_as_image(ref.key):
            recent = state.last_modified > self._clock() - UNNAMED_FOR
            return Difference.MISSING if recent else None
        return compared.difference or (Difference.CHANGED if compared.is_newer else None)

    def _sample(self, images: int) -> list[str]:
        letters = 0
        while images > MAX_SAMPLE * ID_LETTERS**letters:
            letters += 1
        return self._index.keys_of_ids("A" * letters)


def split(sample: Sequence[str], parts: int) -> list[KeyRange]:
    """At most `parts` ranges that cover every key, with equal shares of the ordered sample."""
    parts = min(parts, len(sample))
    bounds = sorted(
        {sample[len(sample) * part // parts] for part in range(1, parts)}, key=str.encode
    )
    starts: list[str] = ["", *bounds]
    ends: list[str | None] = [*bounds, None]
    return [KeyRange(after, until) for after, until in zip(starts, ends, strict=True)]


@dataclass(slots=True)
class KeySender:
    """Sends keys to the queue of the indexer, many in one request; call `flush` at the end."""

    queue: RecheckQueue
    refs: list[ImageRef] = field(default_factory=list)

    def add(self, ref: ImageRef) -> None:
        self.refs.append(ref)
        if len(self.refs) == KEYS_PER_SEND:
            self.flush()

    def flush(self) -> None:
        if self.refs:
            self.queue.schedule(self.refs, timedelta(0))
            self.refs = []
