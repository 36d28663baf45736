"""Queries to vectors: all texts in one batch, all images in one, one lookup for stored images.

Images that a query names by URL are fetched in parallel; the error of one does not affect others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from imagesearch.domain.errors import (
    ImageSearchError,
    InvalidQuery,
    NotAllowed,
    NotFound,
    UnreadableImage,
)
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import ImageEncoder, TextEncoder, VectorIndex, WebImages
from imagesearch.domain.queries import (
    ImageQuery,
    LeafQuery,
    MixedQuery,
    Query,
    Search,
    StoredQuery,
    TextQuery,
    UrlQuery,
    leaf_queries,
)
from imagesearch.search.query_adapter import QueryAdapter
from imagesearch.search.refinement import WEIGHTS, refined
from imagesearch.search.relevance import modality_of

MAX_TEXT = 2_000
MAX_URLS = 4
# The limit for an image in a request body, too.
MAX_IMAGE_BYTES = 4_500_000
# Below this length, relative to the weights, a sum of vectors consists of rounding errors.
_MIN_LENGTH = 1e-5
_URLS_HINT = "ask the operator to enable it: --allow-urls, or stack parameter AllowUrls"

EncodingResult: TypeAlias = Embedding | ImageSearchError
_Vectors: TypeAlias = Mapping[LeafQuery, EncodingResult]


@dataclass(frozen=True, slots=True)
class EncodedSearch:
    """The vectors [D] of a search, L2-normalized.

    original: of the query alone, as the model embeds it.
    embedding: after the adapter and the opinions of the search, which the index is searched with.
    """

    original: Embedding
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class QueryEncoder:
    """Embeds queries; a text or image that occurs several times is embedded once."""

    index: VectorIndex
    texts: TextEncoder
    images: ImageEncoder
    web: WebImages | None = None

    def one(self, query: Query) -> Embedding:
        """The vector [D] of one query; raises its error."""
        [found] = self.encode([query])
        if isinstance(found, ImageSearchError):
            raise found
        return found

    def encode(self, queries: Sequence[Query]) -> list[EncodingResult]:
        """For each query its vector, [D] float32, L2-normalized, or its error.

        Raises Unavailable, and PayloadTooLarge for texts that have too many tokens in total.
        """
        found = self._encoded_leaves(term for query in queries for term in leaf_queries(query))
        return [_combined(query, found) for query in queries]

    def encode_searches(
        self, searches: Sequence[Search], adapter: QueryAdapter | None = None
    ) -> list[EncodedSearch | ImageSearchError]:
        """For each search its vectors, or its error; an unknown id in `like` is one, too.

        Raises Unavailable, and PayloadTooLarge for texts that have too many tokens in total.
        """
        leaves = [term for search in searches for term in leaf_queries(search.query)]
        opinions = (StoredQuery(id) for each in searches for id in (*each.like, *each.unlike))
        found = self._encoded_leaves((*leaves, *opinions))
        adapted = {leaf: _adapted(leaf, found[leaf], adapter) for leaf in set(leaves)}
        return [_encoded_search(search, found, adapted) for search in searches]

    def _encoded_leaves(self, leaves: Iterable[LeafQuery]) -> dict[LeafQuery, EncodingResult]:
        terms = list(dict.fromkeys(leaves))
        texts = [term for term in terms if isinstance(term, TextQuery)]
        images = [term for term in terms if isinstance(term, (ImageQuery, UrlQuery))]
        found: dict[LeafQuery, EncodingResult] = {}
        if texts and images:
            # Also the first time, when each loads its graph. The context has the deadline.
            with ThreadPoolExecutor(1) as thread:
                embedded = thread.submit(copy_context().run, self._of_images, images)
                found |= self._of_texts(texts)
                found |= embedded.result()
        else:
            found |= self._of_texts(texts)
            found |= self._of_images(images)
        return found | self._of_stored([term for term in terms if isinstance(term, StoredQuery)])

    def _of_texts(self, queries: Sequence[TextQuery]) -> dict[LeafQuery, EncodingResult]:
        valid = [query for query in queries if _is_valid_text(query.text)]
        found: dict[LeafQuery, EncodingResult] = {
            query: _invalid_text(query.text) for query in queries
        }
        return found | dict(zip(valid, self._encoded([each.text for each in valid]), strict=True))

    def _encoded(self, texts: Sequence[str]) -> list[EncodingResult]:
        if not texts:
            return []
        try:
            return [np.asarray(vector, np.float32) for vector in self.texts.encode_texts(texts)]
        except InvalidQuery as error:
            # Only the text without a usable vector fails; the others are encoded one by one.
            return [error] if len(texts) == 1 else [self._encoded([text])[0] for text in texts]

    def _of_images(self, terms: Sequence[LeafQuery]) -> dict[LeafQuery, EncodingResult]:
        files = fetched([term for term in terms if isinstance(term, UrlQuery)], self.web)
        files |= {term: term.data for term in terms if isinstance(term, ImageQuery)}
        found: dict[LeafQuery, EncodingResult] = {
            term: data for term, data in files.items() if isinstance(data, ImageSearchError)
        }
        valid = {term: data for term, data in files.items() if isinstance(data, bytes)}
        encoded = self.images.encode_images(list(valid.values())) if valid else []
        vectors = [one if isinstance(one, UnreadableImage) else one.embedding for one in encoded]
        return found | dict(zip(valid, vectors, strict=True))

    def _of_stored(self, queries: Sequence[StoredQuery]) -> dict[LeafQuery, EncodingResult]:
        if not queries:
            return {}
        vectors = self.index.embeddings([query.id for query in queries])
        return {
            query: vectors.get(query.id, indexed_image_not_found(query.id)) for query in queries
        }


def indexed_image_not_found(id: str) -> NotFound:
    """The error for an id that no indexed image has."""
    return NotFound(f"there is no indexed image with the id {id!r}", "use the id of a hit")


def _adapted(
    leaf: LeafQuery, vector: EncodingResult, adapter: QueryAdapter | None
) -> EncodingResult:
    if adapter is None or isinstance(vector, ImageSearchError):
        return vector
    return adapter.adapted(vector, modality_of(leaf))


def _encoded_search(
    search: Search, found: _Vectors, adapted: _Vectors
) -> EncodedSearch | ImageSearchError:
    original, embedding = _combined(search.query, found), _combined(search.query, adapted)
    if isinstance(original, ImageSearchError):
        return original
    if isinstance(embedding, ImageSearchError):
        return embedding
    try:
        liked, unliked = (
            _images(search.like, "like", found),
            _images(search.unlike, "unlike", found),
        )
    except ImageSearchError as error:
        return error
    weights = WEIGHTS[modality_of(search.query)]
    return EncodedSearch(original, refined(embedding, liked, unliked, weights))


def _images(ids: Sequence[str], field: str, found: _Vectors) -> Embedding:
    """[N, D]: the vectors of indexed images. Raises NotFound with the name of the field."""
    vectors = []
    for number, id in enumerate(ids):
        vector = found[StoredQuery(id)]
        if isinstance(vector, ImageSearchError):
            raise type(vector)(f"{field}.{number}: {vector.message}", vector.hint, vector.code)
        vectors.append(vector)
    return np.array(vectors, np.float32)


def _combined(query: Query, found: _Vectors) -> EncodingResult:
    return _mixed(query, found) if isinstance(query, MixedQuery) else found[query]


def _mixed(query: MixedQuery, found: _Vectors) -> EncodingResult:
    """The sum of the terms' unit vectors times their weights, L2-normalized: [D] float32."""
    directions = []
    for number, term in enumerate(query.terms):
        vector = found[term.query]
        if isinstance(vector, ImageSearchError):
            return type(vector)(f"terms.{number}: {vector.message}", vector.hint, vector.code)
        directions.append(vector / np.linalg.norm(vector.astype(np.float64)))
    weights = np.array([term.weight for term in query.terms])
    total = weights @ np.array(directions)
    length = np.linalg.norm(total)
    if length <= _MIN_LENGTH * np.abs(weights).sum():
        return InvalidQuery(
            "the terms cancel each other out",
            "change a weight, or remove a term",
            "invalid_terms",
        )
    return np.asarray(total / length, np.float32)


def _is_valid_text(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_TEXT


def _invalid_text(text: str) -> InvalidQuery:
    return InvalidQuery(
        f"the text has {len(text)} characters",
        f"send 1 to {MAX_TEXT:,} characters that are not all white space",
        code="invalid_text",
    )


def fetched(
    queries: Sequence[UrlQuery], web: WebImages | None
) -> dict[LeafQuery, bytes | ImageSearchError]:
    """The bytes of each image or the error of fetching it; all are fetched in parallel."""
    if len(queries) > MAX_URLS:
        too_many = InvalidQuery(
            f"there are {len(queries)} URLs in the request",
            f"send up to {MAX_URLS} URLs in one request",
            "too_many_urls",
        )
        return dict.fromkeys(queries, too_many)
    if not queries:
        return {}
    with ThreadPoolExecutor(len(queries)) as threads:
        files = threads.map(lambda query: _fetch(query.url, web), queries)
        return dict(zip(queries, files, strict=True))


def _fetch(url: str, web: WebImages | None) -> bytes | ImageSearchError:
    if web is None:
        return urls_off()
    try:
        return web.fetch(url, MAX_IMAGE_BYTES)
    except ImageSearchError as error:
        return error


def urls_off() -> NotAllowed:
    """The error where images may not be fetched by URL."""
    return NotAllowed("fetching images by URL is disabled", _URLS_HINT, "urls_off")
