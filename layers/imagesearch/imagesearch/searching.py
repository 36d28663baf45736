"""Use case: turn a query into hits."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagesearch.cursors import place, seal, seal_place, unseal
from imagesearch.domain import (
    Document,
    Embedding,
    Hit,
    IndexHealth,
    Status,
    VectorQuery,
)
from imagesearch.errors import InvalidQuery, NotFound, UnreadableImage
from imagesearch.judging import check_min_relevance, judge
from imagesearch.ports import ImageEncoder, TextEncoder, VectorIndex
from imagesearch.queries import ImageQuery, Query, Search, StoredQuery, TextQuery, fingerprint
from imagesearch.relevance import Relevance

MAX_LIMIT = 100
MAX_TEXT = 2_000
MAX_DEPTH = 1_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds that a search took, and its parts."""

    embed: float
    search: float
    total: float


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    search_id: str
    model: str
    took_ms: Timing
    hits: list[Hit]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    documents: list[Document]
    cursor: str | None


class Searcher:
    """Answers from the index; raises InvalidQuery, NotFound, UnreadableImage, Unavailable.

    Without `relevance` (a model that is not calibrated) hits have a score alone.
    """

    def __init__(
        self,
        index: VectorIndex,
        texts: TextEncoder,
        images: ImageEncoder,
        relevance: Relevance | None = None,
    ) -> None:
        self._index = index
        self._texts = texts
        self._images = images
        self._relevance = relevance

    @property
    def model(self) -> str:
        """The name of the model that embeds the queries."""
        return self._texts.model

    def health(self) -> IndexHealth:
        """How the index is; raises Unavailable when a search would fail."""
        self._texts.encode_texts(["a photo"])
        return self._index.health()

    def search(self, search: Search) -> SearchAnswer:
        """The nearest images, nearest first; pages go to a depth of `MAX_DEPTH` hits."""
        started = time.perf_counter()
        _check_limit(search.limit)
        check_min_relevance(search.min_relevance, self._relevance, self.model)
        request = f"{self.model} {fingerprint(search)}"
        after, depth = place(search.cursor, request)
        embedding = self._embed(search.query)
        embedded = time.perf_counter()
        limit = min(search.limit, MAX_DEPTH - depth)
        exclude = (search.query.id,) if isinstance(search.query, StoredQuery) else ()
        judging = judge(self._relevance, embedding, search.query)
        least = judging.min_score(search.min_relevance)
        # One more than the page holds tells whether there is another page.
        wanted = VectorQuery(embedding, limit + 1, search.collection, exclude, after, least)
        hits = judging.judged(self._index.search(wanted))
        found = time.perf_counter()
        return SearchAnswer(
            search_id=uuid.uuid4().hex,
            model=self.model,
            took_ms=Timing(_ms(embedded - started), _ms(found - embedded), _ms(found - started)),
            hits=hits[:limit],
            cursor=_cursor(hits[:limit], depth, request) if len(hits) > limit else None,
        )

    def list_documents(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        cursor: str | None = None,
        limit: int = MAX_LIMIT,
    ) -> Listing:
        """Records in the order of their keys."""
        _check_limit(limit)
        request = f"list {status} {collection!r}"
        after = str(unseal(cursor, request)[0]) if cursor else None
        documents = self._index.list_documents(
            status=status, collection=collection, after=after, limit=limit + 1
        )
        page = documents[:limit]
        more = len(documents) > limit
        return Listing(page, seal([page[-1].ref.key], request) if more else None)

    def document(self, id: str) -> Document:
        """One image's record; raises NotFound."""
        stored = self._index.get([id]).get(id)
        if not stored or not stored.document:
            raise _no_such_image(id)
        return stored.document

    def _embed(self, query: Query) -> Embedding:
        if isinstance(query, TextQuery):
            return self._embed_text(query.text)
        if isinstance(query, ImageQuery):
            return self._embed_image(query.data)
        embedding = self._index.embeddings([query.id]).get(query.id)
        if embedding is None:
            raise _no_such_image(query.id)
        return embedding

    def _embed_text(self, text: str) -> Embedding:
        if not text.strip() or len(text) > MAX_TEXT:
            raise InvalidQuery(
                f"the text has {len(text)} characters",
                f"send 1 to {MAX_TEXT:,} characters that are not all blanks",
                code="invalid_text",
            )
        return np.asarray(self._texts.encode_texts([text])[0], np.float32)

    def _embed_image(self, data: bytes) -> Embedding:
        image = self._images.encode_images([data])[0]
        if isinstance(image, UnreadableImage):
            raise image
        return image.embedding


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuery(
            f"limit is {limit}", f"ask for 1 to {MAX_LIMIT} at a time", code="invalid_limit"
        )


def _cursor(page: Sequence[Hit], depth: int, request: str) -> str | None:
    depth += len(page)
    last = page[-1]
    return seal_place(last.score, last.document.id, depth, request) if depth < MAX_DEPTH else None


def _no_such_image(id: str) -> NotFound:
    return NotFound(f"there is no indexed image with the id {id!r}", "take an id from a hit")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
