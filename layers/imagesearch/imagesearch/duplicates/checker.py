"""Use case: find the duplicates of one image in the index."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.filters import OneOf
from imagesearch.domain.images import DetailOptions, Document, Embedding
from imagesearch.domain.isolation import reason
from imagesearch.domain.ports import ImageEncoder, VectorIndex
from imagesearch.domain.queries import Hit, ImageQuery, StoredQuery, VectorQuery
from imagesearch.duplicates.similarity import (
    THRESHOLD,
    Fingerprint,
    Similarity,
    Weights,
    check_threshold,
    similarity,
)
from imagesearch.search.query_encoder import indexed_image_not_found

_MAX_NEAR = 50
_MAX_EXACT = 100


@dataclass(frozen=True, slots=True)
class MatchedImage:
    """A duplicate of the checked image; `is_exact` if it has the same bytes."""

    document: Document
    is_exact: bool
    similarity: Similarity


@dataclass(frozen=True, slots=True)
class _Image:
    embedding: Embedding
    fingerprint: Fingerprint
    sha256: str | None
    id: str | None = None


class DuplicateChecker:
    """Finds duplicates; raises InvalidQuery, NotFound, UnreadableImage, Unavailable."""

    def __init__(self, index: VectorIndex, images: ImageEncoder, weights: Weights) -> None:
        self._index = index
        self._images = images
        self._weights = weights

    def matches(
        self,
        query: ImageQuery | StoredQuery,
        *,
        threshold: float = THRESHOLD,
        collection: str | None = None,
    ) -> list[MatchedImage]:
        """Duplicates with a confidence of at least `threshold`, without the stored image itself.

        Exact duplicates are first, then the others by confidence, highest first.
        """
        check_threshold(threshold)
        image = self._stored(query.id) if isinstance(query, StoredQuery) else self._decoded(query)
        matches = (
            self._match(image, hit, threshold)
            for hit in self._candidates(image, threshold, collection)
        )
        return sorted((match for match in matches if match), key=_order)

    def _decoded(self, query: ImageQuery) -> _Image:
        [image] = self._images.encode_images([query.data], DetailOptions())
        if isinstance(image, UnreadableImage):
            raise image
        details = image.details
        fingerprint = Fingerprint(None, None)
        if details:
            fingerprint = Fingerprint(details.phash, details.miniature, details.contrasts)
        return _Image(image.embedding, fingerprint, hashlib.sha256(query.data).hexdigest())

    def _stored(self, id: str) -> _Image:
        stored, embedding = self._index.get([id]).get(id), self._index.embeddings([id]).get(id)
        if not stored or not stored.document or embedding is None:
            raise indexed_image_not_found(id)
        return _Image(embedding, Fingerprint.of(stored.document), stored.document.sha256, id)

    def _candidates(self, image: _Image, threshold: float, collection: str | None) -> Iterable[Hit]:
        """The nearest images, and those with the same bytes, of which there may be more."""
        exclude = (image.id,) if image.id else ()
        min_score = self._weights.min_cosine(threshold)
        queries = [
            VectorQuery(image.embedding, _MAX_NEAR, collection, exclude, min_score=min_score)
        ]
        if image.sha256:
            same = OneOf("sha256", (image.sha256,))
            queries.append(
                VectorQuery(image.embedding, _MAX_EXACT, collection, exclude, filter=same)
            )
        answers = self._index.search_many(queries)
        return {hit.document.id: hit for hits in answers for hit in hits}.values()

    def _match(self, image: _Image, hit: Hit, threshold: float) -> MatchedImage | None:
        other = Fingerprint.of(hit.document)
        if image.sha256 and hit.document.sha256 == image.sha256:
            distance = image.fingerprint.distance(other)
            return MatchedImage(hit.document, True, Similarity(hit.score, distance, 1.0))
        try:
            near = similarity(self._weights, hit.score, image.fingerprint, other, threshold)
        except Exception as error:  # images that cannot be compared are not duplicates
            reason(error, hit.document.id)
            return None
        return MatchedImage(hit.document, False, near) if near else None


def _order(match: MatchedImage) -> tuple[bool, float, float, str]:
    found = match.similarity
    return not match.is_exact, -found.confidence, -found.score, match.document.ref.key
