"""Use case: find what the index missed, and have it processed again.

Changes reach the index as events. An event can be lost: a rule was disabled, a queue expired, the
bucket of the stack was changed. Reconciliation compares bucket and index, and sends the keys on
which they differ to the queue of the indexer, which reads both again before it writes.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from string import ascii_lowercase, ascii_uppercase, digits

from imagesearch.domain.images import ImageRef
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import ImageStore, RecheckQueue, VectorIndex
from imagesearch.indexing.comparison import EVERY_KEY, Compared, Difference, KeyRange, compare
from imagesearch.indexing.inventory import SortedListing

KEYS_PER_RANGE = 1_000_000
# The ranges of two models are one payload of Step Functions, which has at most 262,144 bytes, with
# about 170 bytes for each range in addition to its keys.
MAX_RANGES = 200
MAX_BOUND_BYTES = 80_000
KEYS_PER_STOP_CHECK = 1_000
# One request of SQS: ten messages of ten keys.
KEYS_PER_SEND = 100
MAX_SAMPLE = 10_000
ID_LETTERS = ascii_uppercase + ascii_lowercase + digits + "-_"  # of base64 for URLs
CONCURRENT_READS = 10
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

    def images(self) -> int:
        """The number of images in the index. Raises Unavailable."""
        return self._index.count()

    def ranges(self) -> list[KeyRange]:
        """Ranges of about KEYS_PER_RANGE indexed keys that cover every key. Raises Unavailable.

        They are larger if there would be more than MAX_RANGES, or if their keys are long.
        """
        images = self._index.count()
        parts = ceil(images / KEYS_PER_RANGE)
        if parts <= 1:
            return [EVERY_KEY]
        ranges = split(self._sample(images), min(parts, MAX_RANGES))
        while _bytes_in_json(ranges) > MAX_BOUND_BYTES:
            ranges = _joined_in_pairs(ranges)
        return ranges

    def reconcile(
        self,
        keys: KeyRange,
        stopping: Callable[[], bool],
        reported: SortedListing | None = None,
    ) -> Reconciled:
        """Send the keys of a range on which bucket and index differ, until `stopping` is true.

        With `reported`, the listing is that of an earlier time: records written since are left to a
        later report, and the object of each other difference is read before its key is sent.
        Raises Unavailable; the keys that were sent before may be sent again.
        """
        counts = Counter(dict.fromkeys((COMPARED, *Difference), 0))
        last, rest = keys.after, None
        differing: list[Compared] = []
        for compared in compare(reported or self._store, self._index, keys):
            checks = counts[COMPARED] and counts[COMPARED] % KEYS_PER_STOP_CHECK == 0
            # A key may be repeated, with another bucket.
            if checks and compared.ref.key != last and stopping():
                rest = KeyRange(last, keys.until)
                break
            last = compared.ref.key
            counts[COMPARED] += 1
            if self._difference(compared, reported):
                differing.append(compared)
            if len(differing) == KEYS_PER_SEND:
                counts.update(self._send(differing, reported))
                differing = []
        counts.update(self._send(differing, reported))
        return Reconciled(counts, rest)

    def _difference(
        self, compared: Compared, reported: SortedListing | None = None
    ) -> Difference | None:
        ref, state, entry = compared
        of_bucket = ref.bucket == self._store.bucket
        if reported and entry and of_bucket and entry.indexed_at > reported.created:
            return None
        if state and entry is None and not named_as_image(ref.key):
            listed = reported.created if reported else self._clock()
            return Difference.MISSING if state.last_modified > listed - UNNAMED_FOR else None
        return compared.difference or (Difference.CHANGED if compared.is_newer else None)

    def _send(
        self, differing: Sequence[Compared], reported: SortedListing | None
    ) -> Counter[Difference]:
        """Send the keys, with a report those whose objects differ now; count the differences."""
        if reported:
            with ThreadPoolExecutor(CONCURRENT_READS) as threads:
                differing = list(threads.map(self._read_again, differing))
        found = [(each.ref, self._difference(each, reported)) for each in differing]
        refs = [ref for ref, difference in found if difference]
        if refs:
            self._queue.schedule(refs, timedelta(0))
        return Counter(difference for _, difference in found if difference)

    def _read_again(self, compared: Compared) -> Compared:
        if compared.ref.bucket != self._store.bucket:
            return compared
        return compared._replace(state=self._store.head(compared.ref))

    def _sample(self, images: int) -> list[str]:
        """Half of MAX_SAMPLE keys of an index, or more, so that ranges are of similar size."""
        letters = 0
        while images > MAX_SAMPLE * len(ID_LETTERS) ** letters:
            letters += 1
        if not letters:
            return self._index.keys_of_ids("")
        samples = MAX_SAMPLE * len(ID_LETTERS) ** letters // images
        keys = [
            key
            for letter in ID_LETTERS[:samples]
            for key in self._index.keys_of_ids("A" * (letters - 1) + letter)
        ]
        return sorted(keys, key=str.encode)


def split(sample: Sequence[str], parts: int) -> list[KeyRange]:
    """At most `parts` ranges that cover every key, with equal shares of the ordered sample."""
    parts = min(parts, len(sample))
    bounds = sorted(
        {sample[len(sample) * part // parts] for part in range(1, parts)}, key=str.encode
    )
    starts: list[str] = ["", *bounds]
    ends: list[str | None] = [*bounds, None]
    return [KeyRange(after, until) for after, until in zip(starts, ends, strict=True)]


def _bytes_in_json(ranges: Sequence[KeyRange]) -> int:
    """With escapes, as some runtimes of Lambda write them: up to six bytes for one of a key."""
    return sum(len(json.dumps([each.after, each.until])) for each in ranges)


def _joined_in_pairs(ranges: Sequence[KeyRange]) -> list[KeyRange]:
    pairs = (ranges[first : first + 2] for first in range(0, len(ranges), 2))
    return [KeyRange(pair[0].after, pair[-1].until) for pair in pairs]


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
