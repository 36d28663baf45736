"""Pagination: cursors, page sizes and the depth to which the hits of a search can be read.

A cursor is opaque, signed and URL-safe, and valid only for the request whose answer contained it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Embedding
from imagesearch.domain.queries import (
    Hit,
    HitOrder,
    Position,
    Search,
    TimePosition,
    VectorQuery,
    excluded_ids,
    search_digest,
)
from imagesearch.domain.signing import payload_of, signed

MAX_LIMIT = 100
MAX_DEPTH = 1_000
_PURPOSE = "cursor "


@dataclass(frozen=True, slots=True)
class Page:
    """A page of up to `limit` hits that follow `after`, with `depth` hits on earlier pages.

    A page in order of time is selected from the first MAX_DEPTH hits, and follows `after_time`.
    """

    search: Search
    request: str
    after: Position | None = None
    depth: int = 0
    after_time: TimePosition | None = None

    @property
    def limit(self) -> int:
        return min(self.search.limit, MAX_DEPTH - self.depth)

    def vector_query(self, embedding: Embedding, min_score: float | None) -> VectorQuery:
        """The query for this page's hits and one more, which shows that a next page exists."""
        search = self.search
        by_relevance = search.order is HitOrder.RELEVANCE
        return VectorQuery(
            embedding,
            self.limit + 1 if by_relevance else MAX_DEPTH,
            search.collection,
            exclude=excluded_ids(search),
            after=self.after,
            min_score=min_score,
            filter=search.filter,
        )

    def select(self, hits: Sequence[Hit]) -> tuple[list[Hit], str | None]:
        """This page's hits of those of `vector_query`, and the cursor of the next page, if any."""
        if self.search.order is HitOrder.RELEVANCE:
            return list(hits[: self.limit]), self._cursor(hits)
        rest = by_time(hits, self.search.order, self.after_time)
        page = rest[: self.search.limit]
        if len(rest) == len(page):
            return page, None
        return page, seal_time(page[-1].document, self.request)

    def _cursor(self, hits: Sequence[Hit]) -> str | None:
        depth = self.depth + self.limit
        if len(hits) <= self.limit or depth >= MAX_DEPTH:
            return None
        last = hits[self.limit - 1]
        return seal_position(Position(last.score, last.document.id), depth, self.request)


def page_of(search: Search, model: str) -> Page:
    """The page that a search requests; raises InvalidQuery for an invalid limit or cursor."""
    check_limit(search.limit)
    request = f"{model} {search_digest(search)}"
    if search.order is not HitOrder.RELEVANCE:
        return Page(search, request, after_time=unseal_time(search.cursor, request))
    return Page(search, request, *unseal_position(search.cursor, request))


def by_time(hits: Sequence[Hit], order: HitOrder, after: TimePosition | None) -> list[Hit]:
    """The hits after a position, in order of time, then key; undated ones are last."""
    newest_first = order is HitOrder.NEWEST_FIRST
    dated = [hit for hit in hits if hit.document.taken_at]
    undated = [hit for hit in hits if not hit.document.taken_at]
    ordered = [
        *sorted(dated, key=_time_and_key, reverse=newest_first),
        *sorted(undated, key=_time_and_key, reverse=newest_first),
    ]
    if after is None:
        return ordered
    reached = (_time(after.taken_at), after.key)

    def follows(hit: Hit) -> bool:
        if (hit.document.taken_at is None) != (after.taken_at is None):
            return hit.document.taken_at is None
        place = _time_and_key(hit)
        return place < reached if newest_first else place > reached

    return [hit for hit in ordered if follows(hit)]


def _time_and_key(hit: Hit) -> tuple[datetime, str]:
    return _time(hit.document.taken_at), hit.document.ref.key


def _time(taken_at: datetime | None) -> datetime:
    """A time without a time zone is interpreted as UTC."""
    time = taken_at or datetime.min
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def check_limit(limit: int, maximum: int = MAX_LIMIT) -> None:
    """Raises InvalidQuery for a page size outside 1 to `maximum`."""
    if not 1 <= limit <= maximum:
        raise InvalidQuery(
            f"limit is {limit}", f"use a limit from 1 to {maximum}", code="invalid_limit"
        )


def seal(state: list[object], request: str) -> str:
    """A cursor with `state` (JSON values) for the request that the text `request` identifies."""
    payload = json.dumps(state, separators=(",", ":")).encode()
    return signed(payload, _PURPOSE + request)


def unseal(cursor: str, request: str, *types: type | UnionType) -> list[Any]:
    """The state in a cursor of this request: values of these types.

    Raises InvalidQuery for any other cursor.
    """
    try:
        state = json.loads(payload_of(cursor, _PURPOSE + request))
        if not isinstance(state, list) or not _has_types(state, types):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise _foreign_cursor() from error
    return state


def _has_types(state: Sequence[object], types: Sequence[type | UnionType]) -> bool:
    return len(state) == len(types) and all(map(isinstance, state, types))


def _foreign_cursor() -> InvalidQuery:
    return InvalidQuery(
        "the cursor does not belong to this request",
        "repeat the request that returned the cursor, or omit it to get the first page",
        code="invalid_cursor",
    )


def seal_time(last: Document, request: str) -> str:
    """A cursor for the page that follows a document in an order by time or by key."""
    taken_at = last.taken_at.isoformat() if last.taken_at else None
    return seal([last.ref.key, taken_at], request)


def unseal_time(cursor: str | None, request: str) -> TimePosition | None:
    """The position that a page follows; raises InvalidQuery for a cursor of another request."""
    if not cursor:
        return None
    key, taken_at = unseal(cursor, request, str, str | None)
    try:
        return TimePosition(datetime.fromisoformat(taken_at) if taken_at else None, key)
    except ValueError as error:
        raise _foreign_cursor() from error


def seal_position(after: Position, depth: int, request: str) -> str:
    """A cursor for the page that follows the hit at `after`, the hit number `depth` of a search."""
    return seal([after.score, after.id, depth], request)


def unseal_position(cursor: str | None, request: str) -> tuple[Position | None, int]:
    """The position that a page of hits follows, and the number of hits before the page."""
    if not cursor:
        return None, 0
    score, id, depth = unseal(cursor, request, float | int, str, int)
    if not (-1 <= score <= 1 and 0 < depth < MAX_DEPTH):
        raise _foreign_cursor()
    return Position(float(score), id), depth
