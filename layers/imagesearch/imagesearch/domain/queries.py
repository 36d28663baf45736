"""What can be asked: by words, by images, by a mixture of them, and which part of the answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from imagesearch.domain.filters import Filter
from imagesearch.domain.images import Document, Embedding, Status


@dataclass(frozen=True, slots=True)
class Position:
    """The place behind a hit in the order of hits: score descending, then id ascending."""

    score: float
    id: str


@dataclass(frozen=True, slots=True)
class TakenPlace:
    """The place behind an image in a list by when the images were taken, to the millisecond."""

    taken_at: datetime | None
    key: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents of a status, of a collection and that a filter holds for; None is any."""

    status: Status | None = None
    collection: str | None = None
    filter: Filter | None = None


ALL_DOCUMENTS = Selection()


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """The `limit` indexed images nearest to `embedding` [D], behind `after`.

    Only those of the collection, that the filter holds for, with a cosine from `min_score`, and
    whose id is not in `exclude`.
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
    """A found image; `score` is the cosine similarity in [-1, 1].

    `relevance` in [0, 1] is comparable between queries; None where the model is not calibrated.
    """

    document: Document
    score: float
    relevance: float | None = None


MAX_TERMS = 16


@dataclass(frozen=True, slots=True)
class TextQuery:
    text: str


@dataclass(frozen=True, slots=True)
class ImageQuery:
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """The neighbours of an indexed image, itself left out."""

    id: str


@dataclass(frozen=True, slots=True)
class UrlQuery:
    """An image that is fetched from the web when it is asked with."""

    url: str


Part: TypeAlias = TextQuery | ImageQuery | StoredQuery | UrlQuery


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a mixture; a negative `weight` pushes away from it."""

    part: Part
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MixedQuery:
    """Near to all of the terms; the indexed images among those of positive weight are left out."""

    terms: tuple[Term, ...]


Query: TypeAlias = Part | MixedQuery


@dataclass(frozen=True, slots=True)
class Search:
    """A query and which part of its answer is wanted: up to `limit` hits, from behind `cursor`.

    Only images of the collection, that the filter holds for, and that are at least so relevant,
    in [0, 1].
    """

    query: Query
    limit: int = 10
    cursor: str | None = None
    collection: str | None = None
    filter: Filter | None = None
    min_relevance: float | None = None


def parts(query: Query) -> tuple[Part, ...]:
    """What has to be embedded or looked up to answer the query."""
    return tuple(term.part for term in terms(query))


def terms(query: Query) -> tuple[Term, ...]:
    return query.terms if isinstance(query, MixedQuery) else (Term(query),)


def excluded_ids(query: Query) -> tuple[str, ...]:
    """The ids of the images that are asked with: to find them again would tell nothing."""
    named = (term.part for term in terms(query) if term.weight > 0)
    return tuple(dict.fromkeys(part.id for part in named if isinstance(part, StoredQuery)))


def fingerprint(search: Search) -> str:
    """What a cursor belongs to: all of the search, whatever the size and the place of the page."""
    return repr(replace(search, query=_digested(search.query), limit=0, cursor=None))


def _digested(query: Query) -> Query:
    if isinstance(query, MixedQuery):
        return MixedQuery(tuple(replace(one, part=_short(one.part)) for one in query.terms))
    return _short(query)


def _short(part: Part) -> Part:
    if isinstance(part, ImageQuery):
        return ImageQuery(hashlib.sha256(part.data).digest())
    return part
