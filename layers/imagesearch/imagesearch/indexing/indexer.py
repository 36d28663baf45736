"""Use case: make the index equal the bucket.

Indexing is level-triggered: an event names a key, and the indexer compares the key's object with
its index entry. Lost, repeated, late and out-of-order events therefore end in the same state.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesearch.domain.deadline import current_time_left, share_of_time
from imagesearch.domain.errors import (
    ConfigurationError,
    ObjectChanged,
    OutOfTime,
    Unavailable,
    UnreadableObject,
)
from imagesearch.domain.images import DetailOptions, ImageRef, ObjectState
from imagesearch.domain.isolation import each_alone, reason
from imagesearch.domain.media_types import SNIFF_BYTES, named_as_image, sniff
from imagesearch.domain.ports import (
    DerivedStore,
    ImageEncoder,
    ImageStore,
    VectorIndex,
    Write,
    WriteResult,
    WriteStatus,
)
from imagesearch.duplicates.linker import Linker
from imagesearch.indexing.content_reuse import ContentPlanner, ContentSource
from imagesearch.indexing.planner import (
    ExistingObject,
    Observed,
    Outcome,
    OutcomeKind,
    PlannedWrite,
    Planner,
)
from imagesearch.indexing.thumbnails import UNCHANGED, ThumbnailChange, Thumbnails, thumbnail_change

MAX_ROUNDS = 3
KEYS_PER_BATCH = 256
_STORE_THREADS = 8
# The share of the remaining time in which the images of a batch are decoded together.
BATCH_SHARE = 1 / 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file and on the files that are held in memory together."""

    file_bytes: int = 64 * 2**20
    batch_images: int = 16
    batch_bytes: int = 96 * 2**20


@dataclass(frozen=True, slots=True)
class Retry:
    """A key to process in the next round.

    `change` has the thumbnails of a write that met a conflict.
    """

    ref: ImageRef
    change: ThumbnailChange = UNCHANGED


class Indexer:
    """Processes keys until bucket and index agree on each; instances may share the same keys."""

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        encoder: ImageEncoder,
        limits: Limits | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        gps: bool = False,
        derived: DerivedStore | None = None,
        linker: Linker | None = None,
        sources: Sequence[ContentSource] = (),
        force: bool = False,
        index_name: str = "",
    ) -> None:
        """With `gps`, the index records the coordinates in an image's EXIF.

        Thumbnails are made if `derived` is given, duplicates are linked if `linker` is given.
        `sources` are other indexes in which records of the same bytes are looked up before a file
        is decoded. With `force`, objects are read even if their state has not changed. Thumbnails
        of indexes with different names are separate.
        """
        self._linker = linker
        self._store = store
        self._index = index
        self._encoder = encoder
        self._limits = limits or Limits()
        self._thumbnails = Thumbnails(derived)
        self._details = DetailOptions(thumbnail=self._thumbnails.enabled, gps=gps)
        self._planner = Planner(encoder, clock, self._details, force, index_name)
        self._threads = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store")
        self._contents = ContentPlanner(
            self._planner,
            encoder,
            self._details,
            (ContentSource(index, derived), *sources),
            self._threads,
        )

    def process(self, refs: Iterable[ImageRef]) -> list[Outcome]:
        """Make the index equal the bucket on these keys, and link their duplicates.

        One outcome for each distinct key. An error with one key is the outcome of that key. Raises
        ConfigurationError only.
        """
        return self.link(self.update(refs))

    def update(self, refs: Iterable[ImageRef]) -> list[Outcome]:
        """As `process`, but duplicates are linked when the outcomes are passed to `link`."""
        pending = [Retry(ref) for ref in dict.fromkeys(refs)]
        settled: list[Outcome] = []
        for _ in range(MAX_ROUNDS):
            retries: list[Retry] = []
            for start in range(0, len(pending), KEYS_PER_BATCH):
                for result in self._isolated(pending[start : start + KEYS_PER_BATCH]):
                    if isinstance(result, Outcome):
                        settled.append(result)
                    else:
                        retries.append(result)
            if not (pending := retries):
                break
        settled += [_failed(one.ref, "it kept changing while it was indexed") for one in pending]
        return settled

    def link(self, settled: list[Outcome]) -> list[Outcome]:
        """The outcomes, failed for each image whose duplicates could not be linked.

        Another thread may update other keys in the meantime.
        """
        unlinked = [outcome.ref for outcome in settled if outcome.unlinked]
        if not self._linker or not unlinked:
            return settled
        failures = self._linker.link(unlinked)
        return [
            _failed(outcome.ref, failures[outcome.ref]) if outcome.ref in failures else outcome
            for outcome in settled
        ]

    def _isolated(self, pending: Sequence[Retry]) -> Iterator[Outcome | Retry]:
        """One round; after an unexpected exception, one more round for each unsettled key alone."""
        waiting = {one.ref: one for one in pending}
        try:
            for result in self._round(pending):
                del waiting[result.ref]
                yield result
        except ConfigurationError:
            raise
        except Exception as error:
            if len(pending) == 1:
                yield from (_broken(ref, error) for ref in waiting)
                return
            for one in waiting.values():
                yield from self._isolated([one])

    def _round(self, pending: Sequence[Retry]) -> Iterator[Outcome | Retry]:
        """Process each key once: yields its outcome, or a Retry."""
        refs = [one.ref for one in pending]
        try:
            stored = self._index.get([ref.id for ref in refs])
        except Unavailable as error:
            yield from (_failed(ref, error.message) for ref in refs)
            return
        planned: list[PlannedWrite] = []
        readable: list[ExistingObject] = []
        for one, state in zip(pending, self._heads(refs), strict=True):
            if isinstance(state, Exception):
                yield _broken(one.ref, state)
                continue
            step = self._step(Observed(one.ref, state, stored.get(one.ref.id)), one.change)
            if isinstance(step, PlannedWrite):
                planned.append(step)
            elif isinstance(step, ExistingObject):
                readable.append(step)
            else:
                yield step
        # New objects before deletions: a renamed image is found by its old record.
        slow: list[ExistingObject] = []
        for batch in _batches(readable, self._limits):
            with share_of_time(BATCH_SHARE):
                embedded = list(self._embed(batch, slow))
            yield from embedded
        yield from self._embed_slow(slow)
        self._contents.keep(planned)
        yield from self._write(planned)

    def _step(
        self, observed: Observed, change: ThumbnailChange
    ) -> Outcome | PlannedWrite | ExistingObject | Retry:
        """The planner's decision, or the rejection of what needs no decoder to be rejected."""
        try:
            return self._decided(observed, change)
        except ObjectChanged:
            return Retry(observed.ref)
        except ConfigurationError:
            raise
        except Exception as error:
            return _broken(observed.ref, error)

    def _decided(
        self, observed: Observed, change: ThumbnailChange
    ) -> Outcome | PlannedWrite | ExistingObject:
        self._thumbnails.discard(change, observed.document)
        step = self._planner.decide(observed)
        if not isinstance(step, ExistingObject):
            return step
        if step.state.unreadable:
            return self._planner.reject_unreadable(step, step.state.unreadable)
        try:
            if not self._claims_to_be_image(step):
                return self._planner.skip(step)
        except UnreadableObject as error:
            return self._planner.reject_unreadable(step, error.message)
        size, limit = step.state.size, self._limits.file_bytes
        if size > limit:
            return self._planner.reject(
                step, f"the file has {size:,} bytes, over the limit of {limit:,}"
            )
        return step

    def _claims_to_be_image(self, existing: ExistingObject) -> bool:
        if named_as_image(existing.ref.key):
            return True
        return existing.state.size > 0 and bool(
            sniff(self._store.read(existing.ref, existing.state, SNIFF_BYTES))
        )

    def _embed_slow(self, slow: Sequence[ExistingObject]) -> Iterator[Outcome | Retry]:
        """Embed images one by one, after the others are written: each may take the time left."""
        for existing in slow:
            late: list[ExistingObject] = []
            if current_time_left()() <= 0:
                late.append(existing)
            else:
                yield from self._embed([existing], late)
            yield from (_failed(each.ref, "not decoded before the timeout") for each in late)

    def _embed(
        self, batch: Sequence[ExistingObject], slow: list[ExistingObject]
    ) -> Iterator[Outcome | Retry]:
        """Read, embed and write; images that are not decoded in time are appended to `slow`."""
        read: list[tuple[ExistingObject, bytes]] = []
        planned: list[PlannedWrite] = []
        for existing, data in zip(batch, self._threads.map(self._read, batch), strict=True):
            if isinstance(data, ObjectChanged):
                yield Retry(existing.ref)
            elif isinstance(data, UnreadableObject):
                rejected = self._planner.reject_unreadable(existing, data.message)
                if isinstance(rejected, PlannedWrite):
                    planned.append(rejected)
                else:
                    yield rejected
            elif isinstance(data, Exception):
                yield _broken(existing.ref, data)
            else:
                read.append((existing, data))
        for (existing, _), step in zip(
            read, each_alone(self._contents.plan, read, _not_planned), strict=True
        ):
            if isinstance(step, PlannedWrite):
                planned.append(step)
            elif isinstance(step, OutOfTime):
                slow.append(existing)
            else:
                yield step
        yield from self._write(planned)

    def _write(self, planned: Sequence[PlannedWrite]) -> Iterator[Outcome | Retry]:
        """Write, then check the bucket again: an object may have changed since it was read."""
        prepared = list(self._threads.map(self._thumbnails.prepare, planned))
        for plan, error in zip(planned, prepared, strict=True):
            if error:
                yield _broken(plan.ref, error)
        planned = [plan for plan, error in zip(planned, prepared, strict=True) if not error]
        if not planned:
            return
        results = each_alone(self._index.write, [plan.write for plan in planned], _not_written)
        written = [
            plan
            for plan, result in zip(planned, results, strict=True)
            if result.status is WriteStatus.WRITTEN
        ]
        list(self._threads.map(self._thumbnails.remove_replaced, written))
        states = self._heads([plan.ref for plan in planned])
        for plan, result, state in zip(planned, results, states, strict=True):
            if result.status is WriteStatus.FAILED:
                yield _failed(plan.ref, result.reason)
            elif isinstance(state, Exception):
                yield _broken(plan.ref, state)
            elif result.status is WriteStatus.CONFLICT:
                yield Retry(plan.ref, thumbnail_change(plan))
            elif state != plan.observed.state:
                yield Retry(plan.ref)
            else:
                yield plan.outcome

    def _heads(self, refs: Iterable[ImageRef]) -> Iterator[ObjectState | Exception | None]:
        """The current state of each object or the error of reading it, in the order of `refs`."""
        return self._threads.map(self._head, refs)

    def _head(self, ref: ImageRef) -> ObjectState | Exception | None:
        """None for an object of another bucket: the records of a previous bucket are deleted."""
        try:
            return self._store.head(ref) if ref.bucket == self._store.bucket else None
        except Exception as error:
            return error

    def _read(self, existing: ExistingObject) -> bytes | Exception:
        try:
            return self._store.read(existing.ref, existing.state)
        except Exception as error:
            return error


def _batches(objects: Iterable[ExistingObject], limits: Limits) -> Iterator[list[ExistingObject]]:
    """Batches within the limits; a file over `batch_bytes` is a batch of its own."""
    batch: list[ExistingObject] = []
    for one in objects:
        size = sum(other.state.size for other in batch) + one.state.size
        full = len(batch) == limits.batch_images or size > limits.batch_bytes
        if batch and full:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _failed(ref: ImageRef, reason: str) -> Outcome:
    return Outcome(ref, OutcomeKind.FAILED, reason)


def _broken(ref: ImageRef, error: Exception) -> Outcome:
    return _failed(ref, reason(error, _id(ref)))


def _not_planned(
    read: tuple[ExistingObject, bytes], error: Exception
) -> PlannedWrite | Outcome | OutOfTime:
    return _broken(read[0].ref, error)


def _not_written(write: Write, error: Exception) -> WriteResult:
    return WriteResult(WriteStatus.FAILED, reason(error, write.ref.id))


def _id(ref: ImageRef) -> str:
    """The id for the log; a key with unpaired surrogates has none and may be the error's cause."""
    try:
        return ref.id
    except UnicodeError:
        return "without id"
