"""Use case: make the index say what the bucket says.

Level-triggered: an event only says "look at this key". Lost, repeated, late and out-of-order
events therefore all end in the same state, the bucket's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesearch.batches import Limits, batches
from imagesearch.bucket_ports import DerivedStore
from imagesearch.details import DetailsWanted
from imagesearch.domain import ImageRef
from imagesearch.errors import ObjectChanged, Unavailable, UnreadableImage
from imagesearch.image_types import SNIFF_BYTES, named_as_image, sniff
from imagesearch.linking import Linker
from imagesearch.many_objects import ManyObjects
from imagesearch.planning import Outcome, OutcomeKind, Planned, Planner, Present, Seen
from imagesearch.ports import ImageEncoder, ImageStore, VectorIndex
from imagesearch.thumbnails import NOTHING, Spent, Thumbnails, spent_by
from imagesearch.writes import WriteResult, WriteStatus

ROUNDS = 3
KEYS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class Again:
    """A key to be looked at again, and what was done for a write of it that met another version."""

    ref: ImageRef
    spent: Spent = NOTHING


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
        derived: DerivedStore | None = None,
        linker: Linker | None = None,
        afresh: bool = False,
    ) -> None:
        """With `places` the index records where a picture was taken, as its camera wrote it.

        Thumbnails are made where there is a derived store to put them into, and duplicates are
        looked for where there is a `linker`. With `afresh`, objects that have not changed by their
        state are read all the same.
        """
        self._linker = linker
        self._store = store
        self._index = index
        self._encoder = encoder
        self._limits = limits or Limits()
        self._thumbnails = Thumbnails(derived)
        self._details = DetailsWanted(thumbnail=self._thumbnails.wanted, place=places)
        self._planner = Planner(encoder, clock, self._thumbnails.wanted, afresh)
        self._objects = ManyObjects(store)

    def look_at(self, refs: Iterable[ImageRef]) -> list[Outcome]:
        """Make the index agree with the bucket on these keys: one outcome for each distinct key."""
        pending = [Again(ref) for ref in dict.fromkeys(refs)]
        settled: list[Outcome] = []
        for _ in range(ROUNDS):
            again: list[Again] = []
            for start in range(0, len(pending), KEYS_AT_A_TIME):
                for result in self._round(pending[start : start + KEYS_AT_A_TIME]):
                    if isinstance(result, Outcome):
                        settled.append(result)
                    else:
                        again.append(result)
            if not (pending := again):
                break
        settled += [_failed(one.ref, "it kept changing while looked at") for one in pending]
        return self._linked(settled)

    def _linked(self, settled: list[Outcome]) -> list[Outcome]:
        """The same, but failed where looking for duplicates did: it is looked at again then."""
        unlinked = [outcome.ref for outcome in settled if outcome.unlinked]
        if not self._linker or not unlinked:
            return settled
        failures = self._linker.link(unlinked)
        return [
            _failed(outcome.ref, failures[outcome.ref]) if outcome.ref in failures else outcome
            for outcome in settled
        ]

    def _round(self, pending: Sequence[Again]) -> Iterator[Outcome | Again]:
        """One look at each key: its outcome, or that it must be looked at again."""
        refs = [one.ref for one in pending]
        try:
            stored = self._index.get([ref.id for ref in refs])
        except Unavailable as error:
            yield from (_failed(ref, error.message) for ref in refs)
            return
        planned: list[Planned] = []
        readable: list[Present] = []
        for one, state in zip(pending, self._objects.heads(refs), strict=True):
            if isinstance(state, Unavailable):
                yield _failed(one.ref, state.message)
                continue
            step = self._step(Seen(one.ref, state, stored.get(one.ref.id)), one.spent)
            if isinstance(step, Planned):
                planned.append(step)
            elif isinstance(step, Present):
                readable.append(step)
            else:
                yield step
        yield from self._write(planned)
        for batch in batches(readable, self._limits):
            yield from self._embed(batch)

    def _step(self, seen: Seen, spent: Spent) -> Outcome | Planned | Present | Again:
        """What the planner decides, with what takes no decoder to reject or skip."""
        try:
            self._thumbnails.give_up(spent, seen.document)
        except Unavailable as error:
            return _failed(seen.ref, error.message)
        step = self._planner.decide(self._thumbnails.without(spent, seen))
        if not isinstance(step, Present):
            return step
        try:
            if not self._claims_to_be_image(step):
                return self._planner.skip(step)
        except ObjectChanged:
            return Again(step.ref)
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

    def _embed(self, batch: Sequence[Present]) -> Iterator[Outcome | Again]:
        read: list[tuple[Present, bytes]] = []
        for found, data in zip(batch, self._objects.contents(batch), strict=True):
            if isinstance(data, ObjectChanged):
                yield Again(found.ref)
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

    def _write(self, planned: Sequence[Planned]) -> Iterator[Outcome | Again]:
        """Write, then look at the bucket once more: it may have changed since it was read."""
        prepared = list(self._objects.threads.map(self._thumbnails.prepare, planned))
        for plan, error in zip(planned, prepared, strict=True):
            if error:
                yield _failed(plan.ref, error.message)
        planned = [plan for plan, error in zip(planned, prepared, strict=True) if not error]
        if not planned:
            return
        try:
            results = self._index.write([plan.write for plan in planned])
        except Unavailable as error:
            results = [WriteResult(WriteStatus.FAILED, error.message)] * len(planned)
        states = self._objects.heads([plan.ref for plan in planned])
        for plan, result, state in zip(planned, results, states, strict=True):
            if result.status is WriteStatus.FAILED:
                yield _failed(plan.ref, result.reason)
            elif isinstance(state, Unavailable):
                yield _failed(plan.ref, state.message)
            elif result.status is WriteStatus.CONFLICT:
                yield Again(plan.ref, spent_by(plan))
            elif state != plan.seen.state:
                yield Again(plan.ref)
            else:
                yield plan.outcome


def _failed(ref: ImageRef, reason: str) -> Outcome:
    return Outcome(ref, OutcomeKind.FAILED, reason)
