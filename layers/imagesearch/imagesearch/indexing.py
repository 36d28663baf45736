"""Use case: make the index say what the bucket says.

Level-triggered: an event only says "look at this key". Lost, repeated, late and out-of-order
events therefore all end in the same state, the bucket's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesearch.domain import DetailsWanted, ImageRef, ObjectState
from imagesearch.errors import ObjectChanged, Unavailable, UnreadableImage
from imagesearch.image_types import SNIFF_BYTES, named_as_image, sniff
from imagesearch.planning import Outcome, OutcomeKind, Planned, Planner, Present, Seen
from imagesearch.ports import ImageEncoder, ImageStore, VectorIndex
from imagesearch.writes import WriteResult, WriteStatus

ROUNDS = 3
KEYS_AT_A_TIME = 256
STORE_THREADS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file, and on the files that are held in memory at a time."""

    file_bytes: int = 64 * 2**20
    batch_images: int = 16
    batch_bytes: int = 96 * 2**20


class Indexer:
    """Looks at keys and settles each of them; several may work on the same keys at once."""

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        encoder: ImageEncoder,
        limits: Limits | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        places: bool = False,
    ) -> None:
        """With `places` the index records where a picture was taken, as its camera wrote it."""
        self._store = store
        self._index = index
        self._encoder = encoder
        self._limits = limits or Limits()
        self._details = DetailsWanted(place=places)
        self._planner = Planner(encoder, clock)
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store")

    def look_at(self, refs: Iterable[ImageRef]) -> list[Outcome]:
        """Make the index agree with the bucket on these keys: one outcome for each distinct key."""
        pending = list(dict.fromkeys(refs))
        settled: list[Outcome] = []
        for _ in range(ROUNDS):
            again: list[ImageRef] = []
            for start in range(0, len(pending), KEYS_AT_A_TIME):
                for result in self._round(pending[start : start + KEYS_AT_A_TIME]):
                    if isinstance(result, Outcome):
                        settled.append(result)
                    else:
                        again.append(result)
            if not (pending := again):
                break
        return settled + [_failed(ref, "it kept changing while looked at") for ref in pending]

    def _round(self, refs: Sequence[ImageRef]) -> Iterator[Outcome | ImageRef]:
        """One look at each key: its outcome, or the key itself where it must be looked at again."""
        try:
            stored = self._index.get([ref.id for ref in refs])
        except Unavailable as error:
            yield from (_failed(ref, error.message) for ref in refs)
            return
        planned: list[Planned] = []
        readable: list[Present] = []
        for ref, state in zip(refs, self._threads.map(self._head, refs), strict=True):
            if isinstance(state, Unavailable):
                yield _failed(ref, state.message)
                continue
            step = self._step(Seen(ref, state, stored.get(ref.id)))
            if isinstance(step, Planned):
                planned.append(step)
            elif isinstance(step, Present):
                readable.append(step)
            else:
                yield step
        yield from self._write(planned)
        for batch in self._batches(readable):
            yield from self._embed(batch)

    def _step(self, seen: Seen) -> Outcome | Planned | Present | ImageRef:
        """What the planner decides, with what takes no decoder to reject or skip."""
        step = self._planner.decide(seen)
        if not isinstance(step, Present):
            return step
        try:
            if not self._claims_to_be_image(step):
                return self._planner.skip(step)
        except ObjectChanged:
            return step.ref
        except Unavailable as error:
            return _failed(step.ref, error.message)
        size, limit = step.state.size, self._limits.file_bytes
        if size > limit:
            return self._planner.reject(step, f"the file has {size:,} bytes, over {limit:,}")
        return step

    def _claims_to_be_image(self, found: Present) -> bool:
        if named_as_image(found.ref.key):
            return True
        return found.state.size > 0 and bool(
            sniff(self._store.read(found.ref, found.state, SNIFF_BYTES))
        )

    def _embed(self, batch: Sequence[Present]) -> Iterator[Outcome | ImageRef]:
        read: list[tuple[Present, bytes]] = []
        for found, data in zip(batch, self._threads.map(self._read, batch), strict=True):
            if isinstance(data, ObjectChanged):
                yield found.ref
            elif isinstance(data, Unavailable):
                yield _failed(found.ref, data.message)
            else:
                read.append((found, data))
        try:
            images = self._encoder.encode_images([data for _, data in read], self._details)
        except Unavailable as error:
            yield from (_failed(found.ref, error.message) for found, _ in read)
            return
        yield from self._write(
            [
                self._planner.reject(found, image.message)
                if isinstance(image, UnreadableImage)
                else self._planner.record(found, data, image)
                for (found, data), image in zip(read, images, strict=True)
            ]
        )

    def _write(self, planned: Sequence[Planned]) -> Iterator[Outcome | ImageRef]:
        """Write, then look at the bucket once more: it may have changed since it was read."""
        if not planned:
            return
        try:
            results = self._index.write([plan.write for plan in planned])
        except Unavailable as error:
            results = [WriteResult(WriteStatus.FAILED, error.message)] * len(planned)
        states = self._threads.map(self._head, [plan.ref for plan in planned])
        for plan, result, state in zip(planned, results, states, strict=True):
            if result.status is WriteStatus.FAILED:
                yield _failed(plan.ref, result.reason)
            elif isinstance(state, Unavailable):
                yield _failed(plan.ref, state.message)
            elif result.status is WriteStatus.CONFLICT or state != plan.seen.state:
                yield plan.ref
            else:
                yield plan.outcome

    def _head(self, ref: ImageRef) -> ObjectState | Unavailable | None:
        try:
            return self._store.head(ref)
        except Unavailable as error:
            return error

    def _read(self, found: Present) -> bytes | ObjectChanged | Unavailable:
        try:
            return self._store.read(found.ref, found.state)
        except (ObjectChanged, Unavailable) as error:
            return error

    def _batches(self, found: Iterable[Present]) -> Iterator[list[Present]]:
        """Batches that fit into memory: bounded in number and in bytes."""
        batch: list[Present] = []
        for one in found:
            size = sum(other.state.size for other in batch) + one.state.size
            full = len(batch) == self._limits.batch_images or size > self._limits.batch_bytes
            if batch and full:
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch


def _failed(ref: ImageRef, reason: str) -> Outcome:
    return Outcome(ref, OutcomeKind.FAILED, reason)
