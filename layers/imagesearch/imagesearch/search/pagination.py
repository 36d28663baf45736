"""Cursors: opaque, URL-safe, checked. A page's cursor is good for the request that gave it only.

Pages of an answer: how many hits one has, how deep they go, and where the next one begins.
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
from imagesearch.domain.queries import Hit, Position, Search, VectorQuery, excluded_ids, fingerprint

CHECK_BYTES = 8


def seal(state: list[object], request: str) -> str:
    """Pack `state` (JSON values) into a cursor that belongs to `request`, any text naming it."""
    payload = json.dumps(state, separators=(",", ":")).encode()
    return _text(_check(payload, request) + payload)


def unseal(cursor: str, request: str) -> list[object]:
    """The state that was sealed for this request; raises InvalidQuery for any other cursor."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if _text(packed) != cursor:  # Python's decoder passes over what is not base64
            raise ValueError
        check, payload = packed[:CHECK_BYTES], packed[CHECK_BYTES:]
        if not hmac.compare_digest(check, _check(payload, request)):
            raise ValueError
        state = json.loads(payload)
    except (ValueError, binascii.Error) as error:
        raise InvalidQuery(
            "the cursor does not belong to this request",
            "send the cursor of an answer back with the same request, or none to start anew",
            code="invalid_cursor",
        ) from error
    return list(state)


def seal_place(score: float, id: str, depth: int, request: str) -> str:
    """A cursor for the place behind a hit with `depth` hits up to it, itself among them."""
    return seal([score, id, depth], request)


def place(cursor: str | None, request: str) -> tuple[Position | None, int]:
    """Where a page of hits begins and how many hits lie before it."""
    if not cursor:
        return None, 0
    score, id, depth = unseal(cursor, request)
    return Position(float(str(score)), str(id)), int(str(depth))


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _check(payload: bytes, request: str) -> bytes:
    key = hashlib.sha256(b"imagesearch cursor" + request.encode()).digest()
    return hashlib.blake2b(payload, key=key, digest_size=CHECK_BYTES).digest()


MAX_LIMIT = 100
MAX_DEPTH = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` hits of a search, behind `after`, with `depth` hits before them."""

    search: Search
    request: str
    after: Position | None
    depth: int

    @property
    def limit(self) -> int:
        return min(self.search.limit, MAX_DEPTH - self.depth)

    def wanted(self, embedding: Embedding, min_score: float | None) -> VectorQuery:
        """One more than the page holds tells whether there is another page."""
        search = self.search
        return VectorQuery(
            embedding,
            self.limit + 1,
            search.collection,
            exclude=excluded_ids(search.query),
            after=self.after,
            min_score=min_score,
            filter=search.filter,
        )

    def cursor(self, hits: Sequence[Hit]) -> str | None:
        """Where the next page begins, behind the page that these hits are and one of the next."""
        depth = self.depth + self.limit
        if len(hits) <= self.limit or depth >= MAX_DEPTH:
            return None
        last = hits[self.limit - 1]
        return seal_place(last.score, last.document.id, depth, self.request)


def page_of(search: Search, model: str) -> Page:
    """The page that a search asks for; raises InvalidQuery for a limit or a cursor not for it."""
    check_limit(search.limit)
    request = f"{model} {fingerprint(search)}"
    return Page(search, request, *place(search.cursor, request))


def check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuery(
            f"limit is {limit}", f"ask for 1 to {MAX_LIMIT} at a time", code="invalid_limit"
        )
