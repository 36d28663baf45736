"""Signatures of what clients return unchanged: cursors and search ids.

The key of a request is in a context variable, so that it needs no parameter of every use case. It
is derived from the secret of the deployment and the scope of the API key. A new thread signs with a
random key of this process.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

SIGNATURE_BYTES = 16
_process_key = secrets.token_bytes(32)
_key: ContextVar[bytes] = ContextVar("signing_key", default=_process_key)


@contextmanager
def signing_key(secret: bytes | None, scope: str) -> Iterator[None]:
    """Sign in a block with a key of this secret and scope; without a secret, of this process."""
    token = _key.set(_derived(secret or _process_key, scope))
    try:
        yield
    finally:
        _key.reset(token)


@lru_cache(maxsize=1024)
def _derived(secret: bytes, scope: str) -> bytes:
    return hmac.digest(secret, scope.encode(), "sha256")


def signed(payload: bytes, purpose: str) -> str:
    """The payload and its signature for a purpose, as URL-safe text."""
    return _text(_signature(payload, purpose) + payload)


def payload_of(text: str, purpose: str) -> bytes:
    """The payload of a signed text; raises ValueError unless `signed` has made it."""
    # Python's decoder ignores characters outside the alphabet; `text` may have any character.
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise ValueError("not base64") from error
    signature, payload = packed[:SIGNATURE_BYTES], packed[SIGNATURE_BYTES:]
    if _text(packed) != text or not hmac.compare_digest(signature, _signature(payload, purpose)):
        raise ValueError("not signed")
    return payload


def _signature(payload: bytes, purpose: str) -> bytes:
    """A digest of the purpose has a fixed length, so that no payload continues it."""
    digest = hashlib.sha256(purpose.encode(errors="surrogatepass")).digest()
    return hmac.digest(_key.get(), digest + payload, "sha256")[:SIGNATURE_BYTES]


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
