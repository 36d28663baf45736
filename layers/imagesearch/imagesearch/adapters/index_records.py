"""The record of a document as JSON values, and unit vectors: the same in every index."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Embedding, ImageRef, Neighbor, Status

DATES = ("last_modified", "indexed_at", "taken_at")
PLAIN = (
    *("etag", "size", "model", "decoder", "reason"),
    *("sha256", "content_type", "width", "height", "taken_offset"),
    *("latitude", "longitude", "place_read", "phash", "miniature", "contrasts", "thumbnail"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_milliseconds(time: datetime) -> int:
    """Milliseconds since 1970, the resolution of OpenSearch; a time without zone counts as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def to_record(document: Document) -> dict[str, Any]:
    """Every field, null if unset: a partial update must clear values that are gone."""
    ref = document.ref
    record = {
        "id": ref.id,
        "bucket": ref.bucket,
        "key": ref.key,
        "collection": ref.collection,
        "status": document.status.value,
        "metadata": dict(document.metadata),
        "exif": dict(document.exif),
        "neighbours": _texts(document.neighbors),
        "truncated": document.truncated,
        "large_thumbnail": document.large_thumbnail,
    }
    record.update({name: getattr(document, name) for name in PLAIN})
    record.update({name: _text(getattr(document, name)) for name in DATES})
    return record


def as_json(record: Mapping[str, Any]) -> str:
    """The record in ASCII.

    Raises ValueError or TypeError for values that no index could read back: NaN, infinity, and
    unpaired surrogates.
    """
    text = json.dumps(record, allow_nan=False)
    if "\\ud" in text:
        json.dumps(record, ensure_ascii=False).encode()
    return text


def to_document(record: Mapping[str, Any]) -> Document:
    """The document of a record; fields that an older version did not write are null."""
    fields: dict[str, Any] = {name: record.get(name) for name in PLAIN}
    fields.update({name: _date(record.get(name)) for name in DATES})
    return Document(
        ref=ImageRef(record["bucket"], record["key"]),
        status=Status(record["status"]),
        metadata=dict(record.get("metadata") or {}),
        exif=dict(record.get("exif") or {}),
        neighbors=_neighbors(record.get("neighbours")),
        truncated=bool(record.get("truncated")),
        large_thumbnail=bool(record.get("large_thumbnail")),
        **fields,
    )


def to_neighbor(text: str) -> Neighbor:
    id, sha256, score, confidence = text.split(" ")
    return Neighbor(id, sha256, float(score), float(confidence))


def unit_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The embedding [D] as float32 of length 1; raises ValueError if zero or not finite."""
    vector = np.asarray(embedding, np.float64)
    if vector.shape != (dimension,):
        raise ValueError(f"the embedding has the shape {vector.shape}, not ({dimension},)")
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length == 0:
        raise ValueError("the embedding is zero or not finite")
    return (vector / length).astype(np.float32)


def query_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The unit vector [D] of a query; raises InvalidQuery."""
    try:
        return unit_vector(embedding, dimension)
    except ValueError as error:
        raise InvalidQuery(
            f"the query vector has no direction: {error}",
            "change the weights so that the terms do not cancel out",
        ) from error


def vector_json(vector: Embedding) -> str:
    """A JSON array; nine digits represent any float32 exactly, in a third of json.dumps' time."""
    return f"[{','.join(['%.9g'] * len(vector)) % tuple(vector.tolist())}]"


def direction_json(vector: Embedding) -> str:
    """A JSON array of integers with the direction of a unit vector, which is all a cosine needs.

    They have the precision of float32 and are formatted twice as fast as nine digits.
    """
    return str(np.rint(vector * np.float32(2**24)).astype(np.int32).tolist())


def _neighbors(texts: Sequence[str] | None) -> tuple[Neighbor, ...] | None:
    return None if texts is None else tuple(map(to_neighbor, texts))


def _texts(neighbors: Sequence[Neighbor] | None) -> list[str] | None:
    """One string each: OpenSearch reads strings from doc values, without the records."""
    if neighbors is None:
        return None
    return [f"{each.id} {each.sha256} {each.score!r} {each.confidence!r}" for each in neighbors]


def _text(date: datetime | None) -> str | None:
    return date.isoformat() if date else None


def _date(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
