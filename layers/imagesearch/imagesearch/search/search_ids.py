"""Search ids: the query's vector in a URL-safe string, so that no search is stored.

An id is not encrypted: its holder can read the vector, but not the text or image of the query. Its
checksum detects truncated and mistyped ids; it does not authenticate them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import MixedQuery, Query, StoredQuery, TextQuery

VALID_FOR = timedelta(days=1)
_CHECKSUM_BYTES = 8
_HINT = "search again, and send the search_id of that answer"
# Seconds since 1970, four random bytes, the index of the query's kind, the largest component.
_HEADER = struct.Struct(">I4sBf")


class QueryKind(StrEnum):
    """The form of a query in a request, named as its field; the order is part of stored ids."""

    TEXT = "text"
    IMAGE = "image"
    STORED = "id"
    MIXED = "terms"


@dataclass(frozen=True, slots=True)
class Searched:
    """The content of an id; `embedding` [D] has a cosine of 0.9999 to the query's vector."""

    time: datetime
    kind: QueryKind
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class SearchIds:
    """The ids of one model's searches; ids of other models are invalid."""

    model: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def seal(self, query: Query, embedding: Embedding) -> str:
        """A unique id for a search with this embedding [D], made now."""
        largest, steps = _quantized(embedding)
        kind = list(QueryKind).index(kind_of(query))
        header = _HEADER.pack(int(self.clock().timestamp()), secrets.token_bytes(4), kind, largest)
        payload = header + steps.tobytes()
        return base64.urlsafe_b64encode(self._checksum(payload) + payload).rstrip(b"=").decode()

    def unseal(self, search_id: str) -> Searched:
        """The content of an id of the last 24 hours; raises InvalidQuery."""
        try:
            packed = base64.urlsafe_b64decode(search_id + "=" * (-len(search_id) % 4))
            checksum, payload = packed[:_CHECKSUM_BYTES], packed[_CHECKSUM_BYTES:]
            if not hmac.compare_digest(checksum, self._checksum(payload)):
                raise ValueError
            seconds, _, kind, largest = _HEADER.unpack_from(payload)
        except (ValueError, binascii.Error, struct.error) as error:
            raise InvalidQuery(
                "the search_id is not valid for this model", _HINT, "invalid_search_id"
            ) from error
        time = datetime.fromtimestamp(seconds, UTC)
        if not timedelta(minutes=-5) <= self.clock() - time <= VALID_FOR:
            raise InvalidQuery(
                "the search_id has expired: the search is more than a day old",
                _HINT,
                "search_id_expired",
            )
        steps = np.frombuffer(payload, np.int8, offset=_HEADER.size)
        return Searched(time, list(QueryKind)[kind], _vector(largest, steps))

    def _checksum(self, payload: bytes) -> bytes:
        key = hashlib.sha256(b"imagesearch search" + self.model.encode()).digest()
        return hashlib.blake2b(payload, key=key, digest_size=_CHECKSUM_BYTES).digest()


def kind_of(query: Query) -> QueryKind:
    """The form of a query, regardless of the inputs of a mixture (see `relevance.Modality`)."""
    if isinstance(query, MixedQuery):
        return QueryKind.MIXED
    if isinstance(query, TextQuery):
        return QueryKind.TEXT
    return QueryKind.STORED if isinstance(query, StoredQuery) else QueryKind.IMAGE


def _quantized(embedding: Embedding) -> tuple[float, NDArray[np.int8]]:
    """The largest component, and the square root of each in steps of 1/127 of its root.

    Square roots keep small components precise next to a few large ones.
    """
    largest = float(np.abs(embedding).max())
    roots = np.sign(embedding) * np.sqrt(np.abs(embedding) / largest)
    return largest, np.rint(roots * 127).astype(np.int8)


def _vector(largest: float, steps: NDArray[np.int8]) -> Embedding:
    roots = steps.astype(np.float32) / 127
    vector = np.sign(roots) * roots**2 * largest
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
