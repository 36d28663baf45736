"""What can be asked: by words, by an image, by an indexed image, and which part of the answer."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias


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


Query: TypeAlias = TextQuery | ImageQuery | StoredQuery


@dataclass(frozen=True, slots=True)
class Search:
    """A query and which part of its answer is wanted: up to `limit` hits, from behind `cursor`.

    With `min_relevance` in [0, 1] only hits that are at least so relevant.
    """

    query: Query
    limit: int = 10
    cursor: str | None = None
    collection: str | None = None
    min_relevance: float | None = None


def fingerprint(search: Search) -> str:
    """What a cursor belongs to: the query and what it keeps, whatever the size of the page."""
    query, kept = search.query, f"{search.collection!r} {search.min_relevance!r}"
    if isinstance(query, ImageQuery):
        return f"image {hashlib.sha256(query.data).hexdigest()} {kept}"
    value = query.text if isinstance(query, TextQuery) else query.id
    return f"{type(query).__name__} {value!r} {kept}"
