"""Searches: queries by text, by image or by a mixture of both, and the vector query they become."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from imagesearch.domain.filters import Filter
from imagesearch.domain.images import Document, Embedding, Status

MAX_TERMS = 16


@dataclass(frozen=True, slots=True)
class Position:
    """A hit's position in the order of hits: by score, highest first, then by id."""

    score: float
    id: str


@dataclass(frozen=True, slots=True)
class TimePosition:
    """An image's position in a list by capture time, with millisecond precision, then by key."""

    taken_at: datetime | None
    key: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents of a status, of a collection and that a filter holds for; None is any.

    A collection is a folder of any level, such as `cats` or `cats/kittens`.
    """

    status: Status | None = None
    collection: str | None = None
    filter: Filter | None = None


ALL_DOCUMENTS = Selection()


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """The `limit` indexed images nearest to `embedding` [D] that follow `after`.

    Limited to images in `collection`, that match `filter`, with a cosine similarity of at least
    `min_score` and an id that is not in `exclude`. A filter applies during the search, not after.
    """

    embedding: Embedding
    limit: int
    collection: str | None = None
    exclude: tuple[str, ...] = ()
    after: Position | None = None
    min_score: float | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An image in the answer of a search; `score` is the cosine similarity in [-1, 1].

    `relevance` in [0, 1] is comparable between queries; None if the model is not calibrated.
    """

    document: Document
    score: float
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Images that match a text."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Images similar to an image file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """Images similar to the indexed image with this id, which is excluded from the hits."""

    id: str


@dataclass(frozen=True, slots=True)
class UrlQuery:
    """Images similar to an image that is downloaded from a URL."""

    url: str


LeafQuery: TypeAlias = TextQuery | ImageQuery | StoredQuery | UrlQuery


@dataclass(frozen=True, slots=True)
class Term:
    """A weighted query in a mixture; a negative weight moves the result away from the query."""

    query: LeafQuery
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MixedQuery:
    """Images near the weighted sum of the terms.

    Indexed images among the terms of positive weight are excluded from the hits.
    """

    terms: tuple[Term, ...]


Query: TypeAlias = LeafQuery | MixedQuery


class HitOrder(StrEnum):
    """The order of hits; those without a capture time are last in both orders by time."""

    RELEVANCE = "relevance"
    OLDEST_FIRST = "taken_at"
    NEWEST_FIRST = "-taken_at"


@dataclass(frozen=True, slots=True)
class Search:
    """A query and the page of its answer: up to `limit` hits, from `cursor` on.

    Limited to images in `collection`, that match `filter`, with a relevance of at least
    `min_relevance`, in [0, 1]. An order by time requires `min_relevance`.
    With `feedback`, the search is stored and its answer has an id.

    `like` and `unlike` are the ids of indexed images that the user liked and disliked: hits are
    more similar to the former and less to the latter, which are never hits.
    """

    query: Query
    limit: int = 10
    cursor: str | None = None
    collection: str | None = None
    filter: Filter | None = None
    min_relevance: float | None = None
    order: HitOrder = HitOrder.RELEVANCE
    feedback: bool = False
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def leaf_queries(query: Query) -> tuple[LeafQuery, ...]:
    """The queries that have to be embedded or looked up."""
    return tuple(term.query for term in terms(query))


def terms(query: Query) -> tuple[Term, ...]:
    """The terms of a mixture; a leaf query is a single term of weight 1."""
    return query.terms if isinstance(query, MixedQuery) else (Term(query),)


def excluded_ids(search: Search) -> tuple[str, ...]:
    """The ids of images that are never hits: those of the query with a positive weight, and the
    disliked ones."""
    positive = (term.query for term in terms(search.query) if term.weight > 0)
    queried = (each.id for each in positive if isinstance(each, StoredQuery))
    return tuple(dict.fromkeys((*queried, *search.unlike)))


def search_digest(search: Search) -> str:
    """Identifies a search regardless of page and page size; its cursors belong to it."""
    of_any_page = replace(search, limit=0, cursor=None, feedback=False)
    return repr(replace(of_any_page, query=_digested(search.query)))


def _digested(query: Query) -> Query:
    if isinstance(query, MixedQuery):
        return MixedQuery(tuple(replace(one, query=_hashed(one.query)) for one in query.terms))
    return _hashed(query)


def _hashed(query: LeafQuery) -> LeafQuery:
    if isinstance(query, ImageQuery):
        return ImageQuery(hashlib.sha256(query.data).digest())
    return query
