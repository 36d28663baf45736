"""Use case: store relevance feedback on hits as training pairs, with a pseudonym of the API key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby

from imagesearch.domain.derived_objects import is_intact, read_each
from imagesearch.domain.errors import InvalidQuery, NotAllowed
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import DerivedStore, VectorIndex
from imagesearch.domain.storage_keys import FEEDBACK, checksum_of, feedback_key
from imagesearch.search.query_encoder import indexed_image_not_found
from imagesearch.search.search_ids import Searched, SearchIds

_DIGITS = 6
# The end of the key of a judgment that was set aside; no reader of judgments uses it.
_SET_ASIDE = ".damaged"


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
        data = json.dumps(event).encode()
        key = feedback_key(searched.time.date(), digest, data)
        self._store.put(key, data, "application/json")

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


def stored_feedback(store: DerivedStore) -> Iterator[bytes]:
    """The judgments in a derived store, by day and then by the time of writing, but damaged ones.

    Raises Unavailable.

    Those of earlier releases have no checksum, and are returned as they are.
    """
    for key, data in read_each(store, _keys(store)):
        if data is not None and is_intact(key, data):
            yield data


def damaged_feedback(store: DerivedStore) -> Iterator[str]:
    """The keys of judgments that differ from what was stored. Raises Unavailable.

    Of those of earlier releases, which have no checksum, files are found that are not JSON.
    """
    for key, data in read_each(store, _keys(store)):
        if data is None:
            continue
        is_usable = is_intact(key, data) if checksum_of(key) else _is_json(data)
        if not is_usable:
            yield key


def set_aside(store: DerivedStore, key: str) -> None:
    """Rename a judgment so that it is not read any more. Raises Unavailable."""
    if (data := store.get(key)) is not None:
        store.put(key + _SET_ASIDE, data, "application/octet-stream")
        store.delete(key)


def _keys(store: DerivedStore) -> Iterator[str]:
    """By day, and those of a day in the order of their writing: a user may change an opinion."""
    listed = (each for each in store.list_keys(FEEDBACK) if not each[0].endswith(_SET_ASIDE))
    for _, day in groupby(listed, key=lambda each: each[0].rpartition("/")[0]):
        yield from (key for key, _ in sorted(day, key=lambda each: each[1]))


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _numbers(vector: Embedding) -> list[float]:
    return [round(float(each), _DIGITS) for each in vector]
