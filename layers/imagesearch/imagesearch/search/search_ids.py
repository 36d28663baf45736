"""What a search's id holds: its own query as a vector. So nothing is kept of any search.

An id is sealed, not secret: who has it has the vector, and no word or picture of the query. The
check tells a cut or mistyped one from a whole one; it keeps nobody from making one up.
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
CHECK_BYTES = 8
HINT = "search again and send the search_id of that answer"
# Seconds since 1970, four bytes by chance, the kind of query, the largest component.
_HEAD = struct.Struct(">I4sBf")


class QueryKind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    STORED = "id"
    MIXED = "terms"


@dataclass(frozen=True, slots=True)
class Searched:
    """When a search was made, of what kind it was, and its query [D] to a cosine of 0.9999."""

    time: datetime
    kind: QueryKind
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class SearchIds:
    """The ids of one model's searches; another model's are not understood."""

    model: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def seal(self, query: Query, embedding: Embedding) -> str:
        """An id for a search of now, unlike any other."""
        largest, steps = _steps(embedding)
        place = list(QueryKind).index(kind_of(query))
        head = _HEAD.pack(int(self.clock().timestamp()), secrets.token_bytes(4), place, largest)
        payload = head + steps.tobytes()
        return base64.urlsafe_b64encode(self._check(payload) + payload).rstrip(b"=").decode()

    def unseal(self, search_id: str) -> Searched:
        """What the id stands for, for a day; raises InvalidQuery."""
        try:
            packed = base64.urlsafe_b64decode(search_id + "=" * (-len(search_id) % 4))
            check, payload = packed[:CHECK_BYTES], packed[CHECK_BYTES:]
            if not hmac.compare_digest(check, self._check(payload)):
                raise ValueError
            seconds, _, place, largest = _HEAD.unpack_from(payload)
        except (ValueError, binascii.Error, struct.error) as error:
            raise InvalidQuery(
                "the search_id is of no search of this model", HINT, "invalid_search_id"
            ) from error
        time = datetime.fromtimestamp(seconds, UTC)
        if not timedelta(minutes=-5) <= self.clock() - time <= VALID_FOR:
            raise InvalidQuery("the search is more than a day ago", HINT, "search_id_expired")
        steps = np.frombuffer(payload, np.int8, offset=_HEAD.size)
        return Searched(time, list(QueryKind)[place], _vector(largest, steps))

    def _check(self, payload: bytes) -> bytes:
        key = hashlib.sha256(b"imagesearch search" + self.model.encode()).digest()
        return hashlib.blake2b(payload, key=key, digest_size=CHECK_BYTES).digest()


def kind_of(query: Query) -> QueryKind:
    if isinstance(query, MixedQuery):
        return QueryKind.MIXED
    if isinstance(query, TextQuery):
        return QueryKind.TEXT
    return QueryKind.STORED if isinstance(query, StoredQuery) else QueryKind.IMAGE


def _steps(embedding: Embedding) -> tuple[float, NDArray[np.int8]]:
    """Roots of the components in 127 steps: a few large ones leave the small ones exact enough."""
    largest = float(np.abs(embedding).max())
    roots = np.sign(embedding) * np.sqrt(np.abs(embedding) / largest)
    return largest, np.rint(roots * 127).astype(np.int8)


def _vector(largest: float, steps: NDArray[np.int8]) -> Embedding:
    roots = steps.astype(np.float32) / 127
    vector = np.sign(roots) * roots**2 * largest
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
