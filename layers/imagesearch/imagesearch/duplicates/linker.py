"""Use case: link each indexed image to its duplicates.

Two copies that are indexed at the same time may not find each other. An image is therefore linked
after the visibility delay of the index: of two copies, the later one finds the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from imagesearch.domain.images import Document, Embedding, ImageRef, Neighbor, Status
from imagesearch.domain.isolation import each_alone, reason
from imagesearch.domain.ports import RecheckQueue, Stored, Touch, VectorIndex, WriteStatus
from imagesearch.domain.queries import Hit, VectorQuery
from imagesearch.duplicates.similarity import MIN_CONFIDENCE, Fingerprint, Weights, similarity

# Larger groups of copies stay connected, because each copy is linked to some of the others.
MAX_NEIGHBORS = 10
_BATCH_SIZE = 32
MAX_ROUNDS = 3


class Linker:
    """Links images that have not been linked; several instances may process the same images.

    Images that searches may not find yet are scheduled in `recheck_queue`. Without it, they are
    linked the next time they are processed.
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
        """Link the images or schedule them; returns the reason for each image that failed."""
        failures: dict[ImageRef, str] = {}
        for start in range(0, len(refs), _BATCH_SIZE):
            failures |= self._link(refs[start : start + _BATCH_SIZE])
        return failures

    def _link(self, refs: Sequence[ImageRef]) -> dict[ImageRef, str]:
        reasons = each_alone(self._reasons, refs, lambda ref, error: reason(error, ref.id))
        return {ref: why for ref, why in zip(refs, reasons, strict=True) if why}

    def _reasons(self, refs: Sequence[ImageRef]) -> list[str]:
        """The reason for each image that failed; empty for the others."""
        failures: dict[ImageRef, str] = {}
        pending = list(refs)
        for _ in range(MAX_ROUNDS):
            if not pending:
                break
            pending = self._round(pending, failures)
        failures |= dict.fromkeys(pending, "its record kept changing while it was linked")
        return [failures.get(ref, "") for ref in refs]

    def _round(self, refs: Sequence[ImageRef], failures: dict[ImageRef, str]) -> list[ImageRef]:
        """Link once; returns the images whose records have changed in the meantime."""
        found = self._index.get([ref.id for ref in refs])
        unlinked = {id: stored for id, stored in found.items() if _is_unlinked(stored.document)}
        visible = self._visible(unlinked)
        embeddings = self._index.embeddings(list(visible))
        touches = [
            Touch(document, visible[document.id].version)
            for document in self._linked(visible, embeddings)
        ]
        retries = [ref for ref in refs if ref.id in visible and ref.id not in embeddings]
        results = self._index.write(touches) if touches else []
        for touch, result in zip(touches, results, strict=True):
            if result.status is WriteStatus.FAILED:
                failures[touch.ref] = result.reason
            elif result.status is WriteStatus.CONFLICT:
                retries.append(touch.ref)
        return retries

    def _visible(self, unlinked: Mapping[str, Stored]) -> dict[str, Stored]:
        """The entries that searches find; schedules the others."""
        delay = self._index.visibility_delay
        visible: dict[str, Stored] = {}
        recent: list[ImageRef] = []
        for id, stored in unlinked.items():
            if stored.document is None:
                continue
            if self._clock() - stored.document.indexed_at >= delay:
                visible[id] = stored
            else:
                recent.append(stored.document.ref)
        if recent and self._recheck_queue:
            self._recheck_queue.schedule(recent, delay)
        return visible

    def _linked(
        self, visible: Mapping[str, Stored], embeddings: Mapping[str, Embedding]
    ) -> list[Document]:
        documents = [
            stored.document
            for id, stored in visible.items()
            if stored.document is not None and id in embeddings
        ]
        min_score = self._weights.min_cosine(MIN_CONFIDENCE)
        queries = [
            VectorQuery(embeddings[each.id], MAX_NEIGHBORS, exclude=(each.id,), min_score=min_score)
            for each in documents
        ]
        answers = self._index.search_many(queries)
        return [
            replace(document, neighbors=self._neighbors(document, hits))
            for document, hits in zip(documents, answers, strict=True)
        ]

    def _neighbors(self, document: Document, hits: Sequence[Hit]) -> tuple[Neighbor, ...]:
        fingerprint = Fingerprint.of(document)
        found = (self._neighbor(document, fingerprint, hit) for hit in hits)
        return tuple(neighbor for neighbor in found if neighbor)

    def _neighbor(self, document: Document, fingerprint: Fingerprint, hit: Hit) -> Neighbor | None:
        other, score = hit.document, round(hit.score, 6)
        if other.sha256 is None:
            return None
        if other.sha256 == document.sha256:
            return Neighbor(other.id, other.sha256, score, 1.0)
        try:
            found = similarity(
                self._weights, hit.score, fingerprint, Fingerprint.of(other), MIN_CONFIDENCE
            )
        except Exception as error:  # images that cannot be compared are not duplicates
            reason(error, document.id)
            return None
        if found is None:
            return None
        return Neighbor(other.id, other.sha256, score, round(found.confidence, 4))


def _is_unlinked(document: Document | None) -> bool:
    return document is not None and document.status is Status.INDEXED and document.neighbors is None
