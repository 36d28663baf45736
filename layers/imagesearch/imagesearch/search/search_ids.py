"""Search ids: a random, signed name under which the vector of a query is stored for a day.

Only a search that asks for an id is stored, without the image of its query, and without its text
unless the operator stores texts. An id that this deployment has not given to a key of the same
scope is rejected before the store is read.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np

from imagesearch.domain.errors import InvalidQuery, NotAllowed
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import DerivedStore
from imagesearch.domain.queries import MixedQuery, Query, StoredQuery, TextQuery
from imagesearch.domain.signing import payload_of, signed
from imagesearch.domain.storage_keys import search_key
from imagesearch.json_objects import json_object

VALID_FOR = timedelta(days=1)
_RANDOM_BYTES = 24
_PURPOSE = "search id"
_HINT = 'search again with "feedback": true, and send the search_id of that answer'


class QueryKind(StrEnum):
    """The form of a query in a request, named as its field."""

    TEXT = "text"
    IMAGE = "image"
    STORED = "id"
    MIXED = "terms"


@dataclass(frozen=True, slots=True)
class Searched:
    """The stored part of a search; `embedding` [D] is the query's vector.

    text: the text of the query, if texts are stored.
    """

    time: datetime
    kind: QueryKind
    embedding: Embedding
    text: str | None = None


@dataclass(frozen=True, slots=True)
class SearchIds:
    """The ids of one model's searches; ids of other models are invalid.

    With `texts`, the texts of queries are stored.

    Without a derived store, every call raises NotAllowed.
    """

    model: str
    store: DerivedStore | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    texts: bool = False

    def record(self, query: Query, embedding: Embedding) -> str:
        """Store a search with this embedding [D], made now; its id has 54 URL-safe characters.

        Raises NotAllowed, Unavailable.
        """
        store = self._required()
        id = signed(secrets.token_bytes(_RANDOM_BYTES), _PURPOSE)
        search = {
            "time": self.clock().isoformat(),
            "model": self.model,
            "query": kind_of(query).value,
            "embedding": base64.b64encode(embedding.astype("<f4").tobytes()).decode(),
        }
        if self.texts and isinstance(query, TextQuery):
            search["text"] = query.text
        store.put(search_key(id), json.dumps(search).encode(), "application/json")
        return id

    def find(self, search_id: str) -> Searched:
        """The search with an id of the last 24 hours; raises InvalidQuery."""
        store = self._required()
        try:
            payload_of(search_id, _PURPOSE)
        except ValueError as error:
            raise _invalid() from error
        data = store.get(search_key(search_id))
        if data is None:
            raise _invalid()
        try:
            search = json_object(data)
            embedding = np.frombuffer(base64.b64decode(search["embedding"]), "<f4")
            found = Searched(
                datetime.fromisoformat(search["time"]),
                QueryKind(search["query"]),
                embedding,
                search.get("text"),
            )
            is_usable = search["model"] == self.model and np.isfinite(embedding).all()
            age = self.clock() - found.time
        except (ValueError, KeyError, TypeError) as error:
            raise _invalid() from error
        if not is_usable:
            raise _invalid()
        if age > VALID_FOR:
            raise InvalidQuery(
                "the search_id has expired: the search is more than a day old",
                _HINT,
                "search_id_expired",
            )
        return found

    def _required(self) -> DerivedStore:
        if self.store is None:
            raise NotAllowed("feedback is not stored here", "set DERIVED_URI to a bucket or folder")
        return self.store


def _invalid() -> InvalidQuery:
    return InvalidQuery("the search_id is not valid for this model", _HINT, "invalid_search_id")


def kind_of(query: Query) -> QueryKind:
    """The form of a query, regardless of the inputs of a mixture (see `relevance.Modality`)."""
    if isinstance(query, MixedQuery):
        return QueryKind.MIXED
    if isinstance(query, TextQuery):
        return QueryKind.TEXT
    return QueryKind.STORED if isinstance(query, StoredQuery) else QueryKind.IMAGE
