"""Use case: store relevance feedback on hits as training pairs, with a pseudonym of the API key."""

from __future__ import annotations

import hashlib
import json

from imagesearch.domain.errors import InvalidQuery, NotAllowed
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import DerivedStore, VectorIndex
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.search.query_encoder import indexed_image_not_found
from imagesearch.search.search_ids import Searched, SearchIds

_DIGITS = 6


class Feedback:
    """Stores feedback; without a derived store, every call raises NotAllowed."""

    def __init__(
        self, index: VectorIndex, store: DerivedStore | None, ids: SearchIds, image_space: str
    ) -> None:
        self._index = index
        self._store = store
        self._ids = ids
        self._image_space = image_space

    def give(
        self, search_id: str, image_id: str, relevant: bool, key_id: str | None = None
    ) -> None:
        """Store one judgment; repeating it has no effect.

        `key_id` is the id of the API key of the request; only its pseudonym is stored.

        Raises InvalidQuery, NotFound, NotAllowed, Unavailable.
        """
        if self._store is None:
            raise NotAllowed("feedback is not stored here", "set DERIVED_URI to a bucket or folder")
        searched = self._ids.find(search_id)
        embedding = self._index.embeddings([image_id]).get(image_id)
        if embedding is None:
            raise indexed_image_not_found(image_id)
        if searched.embedding.shape != embedding.shape:
            raise InvalidQuery(
                "the search_id is of another index", "search again", "invalid_search_id"
            )
        user = pseudonym(key_id)
        event = self._event(searched, image_id, embedding, relevant) | {"user": user}
        content = f"{search_id} {image_id} {relevant} {user}"
        digest = hashlib.sha256(content.encode()).hexdigest()[:32]
        key = feedback_key(searched.time.date(), digest)
        self._store.put(key, json.dumps(event).encode(), "application/json")

    def _event(
        self, searched: Searched, image_id: str, image: Embedding, relevant: bool
    ) -> dict[str, object]:
        text = {} if searched.text is None else {"query_text": searched.text}
        return text | {
            "time": searched.time.isoformat(),
            "model": self._ids.model,
            "image_space": self._image_space,
            "query": searched.kind.value,
            "query_embedding": _numbers(searched.embedding),
            "image": image_id,
            "image_embedding": _numbers(image),
            "relevant": relevant,
        }


def pseudonym(key_id: str | None) -> str:
    """16 hexadecimal digits for an API key, empty without one.

    It bounds the share of one user, and finds opinions to forget. Whoever knows the id of a key can
    compute it.
    """
    if not key_id:
        return ""
    return hashlib.sha256(f"imagesearch user {key_id}".encode()).hexdigest()[:16]


def _numbers(vector: Embedding) -> list[float]:
    return [round(float(each), _DIGITS) for each in vector]
