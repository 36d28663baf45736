"""Cursors: opaque, URL-safe, checked. A page's cursor is good for the request that gave it only."""

import base64
import binascii
import hashlib
import hmac
import json

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Position

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
