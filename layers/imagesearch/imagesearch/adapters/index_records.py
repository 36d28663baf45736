"""A document as JSON values and back, exactly: both indexes store records in this form.

Which vectors an index works with, the same ones in both, and how they are written down.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Embedding, ImageRef, Neighbour, Status

DATES = ("last_modified", "indexed_at", "taken_at")
PLAIN = (
    *("etag", "size", "model", "decoder", "reason"),
    *("sha256", "content_type", "width", "height"),
    *("latitude", "longitude", "place_read", "phash", "miniature", "contrasts", "thumbnail"),
)
# A key of 1,024 bytes may lie 1,023 folders deep.
FOLDER_LEVELS = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def folders(key: str) -> list[str]:
    """The folders that a key lies in: of "a/b/c", "a/" and "a/b/"; the outermost ones if deep."""
    ends = [place + 1 for place, letter in enumerate(key) if letter == "/"]
    return [key[:end] for end in ends[:FOLDER_LEVELS]]


def epoch_milliseconds(time: datetime) -> int:
    """What OpenSearch compares times by; one without zone is taken as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def to_record(document: Document) -> dict[str, Any]:
    """Every field, null where there is nothing: a partial update must clear what has gone."""
    ref = document.ref
    record = {
        "id": ref.id,
        "bucket": ref.bucket,
        "key": ref.key,
        "collection": ref.collection,
        "status": document.status.value,
        "metadata": dict(document.metadata),
        "exif": dict(document.exif),
        "neighbours": _texts(document.neighbours),
        "truncated": document.truncated,
    }
    record.update({name: getattr(document, name) for name in PLAIN})
    record.update({name: _text(getattr(document, name)) for name in DATES})
    return record


def as_json(record: Mapping[str, Any]) -> str:
    """The record in ASCII; raises ValueError or TypeError for what no index could read again.

    That is a number that is none (NaN or infinite), and half a surrogate pair in a text.
    """
    text = json.dumps(record, allow_nan=False)
    if "\\ud" in text:
        json.dumps(record, ensure_ascii=False).encode()
    return text


def to_document(record: Mapping[str, Any]) -> Document:
    """The document of a record; what a record of an older version lacks is taken as null."""
    fields: dict[str, Any] = {name: record.get(name) for name in PLAIN}
    fields.update({name: _date(record.get(name)) for name in DATES})
    return Document(
        ref=ImageRef(record["bucket"], record["key"]),
        status=Status(record["status"]),
        metadata=dict(record.get("metadata") or {}),
        exif=dict(record.get("exif") or {}),
        neighbours=_neighbours(record.get("neighbours")),
        truncated=bool(record.get("truncated")),
        **fields,
    )


def to_neighbour(text: str) -> Neighbour:
    id, sha256, score, confidence = text.split(" ")
    return Neighbour(id, sha256, float(score), float(confidence))


def _neighbours(texts: Sequence[str] | None) -> tuple[Neighbour, ...] | None:
    return None if texts is None else tuple(map(to_neighbour, texts))


def _texts(neighbours: Sequence[Neighbour] | None) -> list[str] | None:
    """A text for each: OpenSearch keeps texts in columns, which are read without the records."""
    if neighbours is None:
        return None
    return [f"{each.id} {each.sha256} {each.score!r} {each.confidence!r}" for each in neighbours]


def _text(date: datetime | None) -> str | None:
    return date.isoformat() if date else None


def _date(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def unit_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The embedding [D] as float32 of length 1; raises ValueError for what has no direction."""
    vector = np.asarray(embedding, np.float64)
    if vector.shape != (dimension,):
        raise ValueError(f"the embedding has the shape {vector.shape}, not ({dimension},)")
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length == 0:
        raise ValueError("the embedding is zero or not finite")
    return (vector / length).astype(np.float32)


def query_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The same for a query; raises InvalidQuery."""
    try:
        return unit_vector(embedding, dimension)
    except ValueError as error:
        raise InvalidQuery(
            f"the query points nowhere: {error}", "weigh its terms so that they do not cancel out"
        ) from error


def vector_json(vector: Embedding) -> str:
    """Nine digits hold any float32 exactly; json.dumps writes 17 and takes three times as long."""
    return f"[{','.join(['%.9g'] * len(vector)) % tuple(vector.tolist())}]"


def direction_json(vector: Embedding) -> str:
    """Where a unit vector points, in whole numbers: for cosines its length does not matter.

    They have as many bits as a float32, and are written twice as fast as nine digits.
    """
    return str(np.rint(vector * np.float32(2**24)).astype(np.int32).tolist())
