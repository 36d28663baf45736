"""Use case: is a picture, or what it was made from, already in the index?"""

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
from imagesearch.search.query_encoder import no_such_image

NEAREST = 50
SAME_BYTES = 100


@dataclass(frozen=True, slots=True)
class Match:
    """An image that shows the picture asked about; `is_exact`: with the same bytes."""

    document: Document
    is_exact: bool
    similarity: Similarity


@dataclass(frozen=True, slots=True)
class _Asked:
    embedding: Embedding
    look: Fingerprint
    sha256: str | None
    id: str | None = None


class DuplicateCheck:
    """Raises InvalidQuery, NotFound, UnreadableImage, Unavailable."""

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
    ) -> list[Match]:
        """Those with the same bytes first, then the surest; a stored image itself is left out."""
        check_threshold(threshold)
        asked = self._stored(query.id) if isinstance(query, StoredQuery) else self._given(query)
        matches = (
            self._match(asked, hit, threshold) for hit in self._near(asked, threshold, collection)
        )
        return sorted((match for match in matches if match), key=_surest_first)

    def _given(self, query: ImageQuery) -> _Asked:
        [image] = self._images.encode_images([query.data], DetailOptions())
        if isinstance(image, UnreadableImage):
            raise image
        details = image.details
        look = Fingerprint(None, None)
        if details:
            look = Fingerprint(details.phash, details.miniature, details.contrasts)
        return _Asked(image.embedding, look, hashlib.sha256(query.data).hexdigest())

    def _stored(self, id: str) -> _Asked:
        stored, embedding = self._index.get([id]).get(id), self._index.embeddings([id]).get(id)
        if not stored or not stored.document or embedding is None:
            raise no_such_image(id)
        return _Asked(embedding, Fingerprint.of(stored.document), stored.document.sha256, id)

    def _near(self, asked: _Asked, threshold: float, collection: str | None) -> Iterable[Hit]:
        """The same bytes are looked for by their digest: there may be more than are near."""
        exclude = (asked.id,) if asked.id else ()
        least = self._weights.min_cosine(threshold)
        queries = [VectorQuery(asked.embedding, NEAREST, collection, exclude, min_score=least)]
        if asked.sha256:
            same = OneOf("sha256", (asked.sha256,))
            queries.append(
                VectorQuery(asked.embedding, SAME_BYTES, collection, exclude, filter=same)
            )
        answers = self._index.search_many(queries)
        return {hit.document.id: hit for hits in answers for hit in hits}.values()

    def _match(self, asked: _Asked, hit: Hit, threshold: float) -> Match | None:
        look = Fingerprint.of(hit.document)
        if asked.sha256 and hit.document.sha256 == asked.sha256:
            distance = asked.look.distance(look)
            return Match(hit.document, True, Similarity(hit.score, distance, 1.0))
        try:
            near = similarity(self._weights, hit.score, asked.look, look, threshold)
        except Exception as error:  # two images that cannot be compared are no duplicates
            reason(error, hit.document.id)
            return None
        return Match(hit.document, False, near) if near else None


def _surest_first(match: Match) -> tuple[bool, float, float, str]:
    found = match.similarity
    return not match.is_exact, -found.confidence, -found.score, match.document.ref.key
