"""Pagination: cursors, page sizes and the depth to which the hits of a search can be read.

A cursor is opaque and URL-safe, and valid only for the request whose answer contained it.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import (
    Hit,
    Position,
    Search,
    VectorQuery,
    excluded_ids,
    search_digest,
)

MAX_LIMIT = 100
MAX_DEPTH = 1_000
_CHECKSUM_BYTES = 8


@dataclass(frozen=True, slots=True)
class Page:
    """A page of up to `limit` hits that follow `after`, with `depth` hits on earlier pages."""

    search: Search
    request: str
    after: Position | None
    depth: int

    @property
    def limit(self) -> int:
        return min(self.search.limit, MAX_DEPTH - self.depth)

    def vector_query(self, embedding: Embedding, min_score: float | None) -> VectorQuery:
        """The query for this page's hits and one more, which shows that a next page exists."""
        search = self.search
        return VectorQuery(
            embedding,
            self.limit + 1,
            search.collection,
            exclude=excluded_ids(search),
            after=self.after,
            min_score=min_score,
            filter=search.filter,
        )

    def cursor(self, hits: Sequence[Hit]) -> str | None:
        """The cursor of the next page, from the hits of `vector_query`; None on the last page."""
        depth = self.depth + self.limit
        if len(hits) <= self.limit or depth >= MAX_DEPTH:
            return None
        last = hits[self.limit - 1]
        return seal_position(Position(last.score, last.document.id), depth, self.request)


def page_of(search: Search, model: str) -> Page:
    """The page that a search requests; raises InvalidQuery for an invalid limit or cursor."""
    check_limit(search.limit)
    request = f"{model} {search_digest(search)}"
    return Page(search, request, *unseal_position(search.cursor, request))


def check_limit(limit: int, maximum: int = MAX_LIMIT) -> None:
    """Raises InvalidQuery for a page size outside 1 to `maximum`."""
    if not 1 <= limit <= maximum:
        raise InvalidQuery(
            f"limit is {limit}", f"use a limit from 1 to {maximum}", code="invalid_limit"
        )


def seal(state: list[object], request: str) -> str:
    """A cursor with `state` (JSON values) for the request that the text `request` identifies."""
    payload = json.dumps(state, separators=(",", ":")).encode()
    return _text(_checksum(payload, request) + payload)


def unseal(cursor: str, request: str) -> list[object]:
    """The state in a cursor of this request; raises InvalidQuery for any other cursor."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if _text(packed) != cursor:  # Python's decoder ignores characters outside the alphabet
            raise ValueError
        checksum, payload = packed[:_CHECKSUM_BYTES], packed[_CHECKSUM_BYTES:]
        if not hmac.compare_digest(checksum, _checksum(payload, request)):
            raise ValueError
        state = json.loads(payload)
    except (ValueError, binascii.Error) as error:
        raise InvalidQuery(
            "the cursor does not belong to this request",
            "repeat the request that returned the cursor, or omit it to get the first page",
            code="invalid_cursor",
        ) from error
    return list(state)


def seal_position(after: Position, depth: int, request: str) -> str:
    """A cursor for the page that follows the hit at `after`, the hit number `depth` of a search."""
    return seal([after.score, after.id, depth], request)


def unseal_position(cursor: str | None, request: str) -> tuple[Position | None, int]:
    """The position that a page of hits follows, and the number of hits before the page."""
    if not cursor:
        return None, 0
    score, id, depth = unseal(cursor, request)
    return Position(float(str(score)), str(id)), int(str(depth))


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _checksum(payload: bytes, request: str) -> bytes:
    key = hashlib.sha256(b"imagesearch cursor" + request.encode()).digest()
    return hashlib.blake2b(payload, key=key, digest_size=_CHECKSUM_BYTES).digest()
