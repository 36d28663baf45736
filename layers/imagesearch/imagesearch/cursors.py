"""Cursors: opaque, URL-safe, checked. A page's cursor is good for the request that gave it only."""

import base64
import binascii
import hashlib
import hmac
import json

from imagesearch.errors import InvalidQuery

CHECK_BYTES = 8


def seal(state: list[object], request: str) -> str:
    """Pack `state` (JSON values) into a cursor that belongs to `request`, any text naming it."""
    payload = json.dumps(state, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(payload, request) + payload).rstrip(b"=").decode()


def unseal(cursor: str, request: str) -> list[object]:
    """The state that was sealed for this request; raises InvalidQuery for any other cursor."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
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


def _check(payload: bytes, request: str) -> bytes:
    key = hashlib.sha256(b"imagesearch cursor" + request.encode()).digest()
    return hashlib.blake2b(payload, key=key, digest_size=CHECK_BYTES).digest()
