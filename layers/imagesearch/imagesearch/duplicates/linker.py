"""Use case: note of each indexed image which others show the same picture.

Two copies that are indexed at the same moment may not see each other. An image is therefore linked
only once searches find it: of any two, the one that is linked later finds the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from imagesearch.domain.images import Document, Embedding, ImageRef, Neighbour, Status
from imagesearch.domain.isolation import each_alone, reason
from imagesearch.domain.ports import RecheckQueue, Stored, Touch, VectorIndex, WriteStatus
from imagesearch.domain.queries import Hit, VectorQuery
from imagesearch.duplicates.similarity import MIN_CONFIDENCE, Fingerprint, Weights, similarity

# Among more copies than this each still has some of the others, and they form one group.
NEAREST = 10
IMAGES_AT_A_TIME = 32
ROUNDS = 3


class Linker:
    """Links images that have not been linked; several may work on the same ones at once.

    Those that searches may not find yet are left to `recheck_queue`, or to any later look without
    them.
    """

    def __init__(
        self,
        index: VectorIndex,
        weights: Weights,
        recheck_queue: RecheckQueue | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._index = index
        self._weights = weights
        self._recheck_queue = recheck_queue
        self._clock = clock

    def link(self, refs: Sequence[ImageRef]) -> dict[ImageRef, str]:
        """Link them, or see to it that they are; of each that failed, why."""
        failures: dict[ImageRef, str] = {}
        for start in range(0, len(refs), IMAGES_AT_A_TIME):
            failures |= self._link(refs[start : start + IMAGES_AT_A_TIME])
        return failures

    def _link(self, refs: Sequence[ImageRef]) -> dict[ImageRef, str]:
        reasons = each_alone(self._reasons, refs, lambda ref, error: reason(error, ref.id))
        return {ref: why for ref, why in zip(refs, reasons, strict=True) if why}

    def _reasons(self, refs: Sequence[ImageRef]) -> list[str]:
        """Of each, why it could not be linked; nothing where it could."""
        failures: dict[ImageRef, str] = {}
        pending = list(refs)
        for _ in range(ROUNDS):
            if not pending:
                break
            pending = self._round(pending, failures)
        failures |= dict.fromkeys(pending, "its record kept changing while it was linked")
        return [failures.get(ref, "") for ref in refs]

    def _round(self, refs: Sequence[ImageRef], failures: dict[ImageRef, str]) -> list[ImageRef]:
        """Those whose record has changed meanwhile."""
        found = self._index.get([ref.id for ref in refs])
        unlinked = {id: stored for id, stored in found.items() if _is_unlinked(stored.document)}
        settled = self._settled(unlinked)
        embeddings = self._index.embeddings(list(settled))
        touches = [
            Touch(document, settled[document.id].version)
            for document in self._linked(settled, embeddings)
        ]
        again = [ref for ref in refs if ref.id in settled and ref.id not in embeddings]
        results = self._index.write(touches) if touches else []
        for touch, result in zip(touches, results, strict=True):
            if result.status is WriteStatus.FAILED:
                failures[touch.ref] = result.reason
            elif result.status is WriteStatus.CONFLICT:
                again.append(touch.ref)
        return again

    def _settled(self, unlinked: Mapping[str, Stored]) -> dict[str, Stored]:
        wait = self._index.visibility_delay
        settled: dict[str, Stored] = {}
        fresh: list[ImageRef] = []
        for id, stored in unlinked.items():
            if stored.document is None:
                continue
            if self._clock() - stored.document.indexed_at >= wait:
                settled[id] = stored
            else:
                fresh.append(stored.document.ref)
        if fresh and self._recheck_queue:
            self._recheck_queue.schedule(fresh, wait)
        return settled

    def _linked(
        self, settled: Mapping[str, Stored], embeddings: Mapping[str, Embedding]
    ) -> list[Document]:
        documents = [
            stored.document
            for id, stored in settled.items()
            if stored.document is not None and id in embeddings
        ]
        least = self._weights.min_cosine(MIN_CONFIDENCE)
        queries = [
            VectorQuery(embeddings[each.id], NEAREST, exclude=(each.id,), min_score=least)
            for each in documents
        ]
        answers = self._index.search_many(queries)
        return [
            replace(document, neighbours=self._neighbours(document, hits))
            for document, hits in zip(documents, answers, strict=True)
        ]

    def _neighbours(self, document: Document, hits: Sequence[Hit]) -> tuple[Neighbour, ...]:
        look = Fingerprint.of(document)
        found = (self._neighbour(document, look, hit) for hit in hits)
        return tuple(neighbour for neighbour in found if neighbour)

    def _neighbour(self, document: Document, look: Fingerprint, hit: Hit) -> Neighbour | None:
        other, score = hit.document, round(hit.score, 6)
        if other.sha256 is None:
            return None
        if other.sha256 == document.sha256:
            return Neighbour(other.id, other.sha256, score, 1.0)
        try:
            found = similarity(
                self._weights, hit.score, look, Fingerprint.of(other), MIN_CONFIDENCE
            )
        except Exception as error:  # two images that cannot be compared are no duplicates
            reason(error, document.id)
            return None
        if found is None:
            return None
        return Neighbour(other.id, other.sha256, score, round(found.confidence, 4))


def _is_unlinked(document: Document | None) -> bool:
    return (
        document is not None and document.status is Status.INDEXED and document.neighbours is None
    )
