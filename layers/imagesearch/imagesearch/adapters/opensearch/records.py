"""Conversion between index entries and OpenSearch documents or bulk actions."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from imagesearch.adapters.index_records import (
    EPOCH,
    as_json,
    to_document,
    to_neighbor,
    to_record,
    unit_vector,
    vector_json,
)
from imagesearch.adapters.opensearch.mapping import EMBEDDING
from imagesearch.domain.folders import folders
from imagesearch.domain.images import Document, Embedding, ImageRef, IndexEntry, Linked, Status
from imagesearch.domain.ports import Delete, Stored, Touch, Version, Write

DELETED = "deleted"
OBJECTS = ("metadata", "exif")
ENTRY_FIELDS = ("bucket", "status", "etag")
ENTRY_TIMES = ("indexed_at", "last_modified")
WITHOUT_EMBEDDING = {"excludes": [EMBEDDING]}


def document(source: Mapping[str, Any]) -> Document:
    unpacked = {name: (source.get(name) or [{}])[0] for name in OBJECTS}
    return to_document({**source, **unpacked})


def linked(hit: Mapping[str, Any]) -> Linked:
    """From a hit sorted by key and id; doc values are lists."""
    (key, id), columns = hit["sort"], hit["fields"]
    (sha256,) = columns["sha256"]
    return Linked(id, key, sha256, tuple(map(to_neighbor, columns["neighbours"])))


def index_entry(hit: Mapping[str, Any]) -> IndexEntry:
    """From a hit sorted by key and id; doc values are lists."""
    columns = hit["fields"]
    (bucket,), (status,), (etag,) = (columns[name] for name in ENTRY_FIELDS)
    indexed_at, last_modified = (
        EPOCH + timedelta(milliseconds=int(columns[name][0])) for name in ENTRY_TIMES
    )
    ref = ImageRef(bucket, hit["sort"][0])
    return IndexEntry(ref, Status(status), etag, indexed_at, last_modified)


def embedding(source: Mapping[str, Any]) -> Embedding | None:
    vector = source.get(EMBEDDING)
    return np.array(vector, np.float32) if vector else None


def stored(found: Mapping[str, Any]) -> Stored:
    source, version = found["_source"], (found["_seq_no"], found["_primary_term"])
    return Stored(None if source["status"] == DELETED else document(source), version)


def bulk_action(write: Write, dimension: int, now: datetime) -> str:
    """The lines of a `_bulk` body, in ASCII; the path of the request names the index.

    Raises ValueError or TypeError for an invalid embedding and for a record that is not valid JSON.
    """
    if isinstance(write, Touch):
        update = {"doc": _source(write.document), "detect_noop": False}
        return _lines("update", write.ref.id, write.expected, as_json(update))
    if isinstance(write, Delete):
        tombstone = {"id": write.ref.id, "status": DELETED, "deleted_at": now.astimezone(UTC)}
        source = json.dumps(tombstone, default=datetime.isoformat)
    else:
        source = as_json(_source(write.document))
        if write.embedding is not None:
            vector = vector_json(unit_vector(write.embedding, dimension))
            source = f'{source[:-1]}, "{EMBEDDING}": {vector}}}'
    verb = "create" if write.expected is None else "index"
    return _lines(verb, write.ref.id, write.expected, source)


def removal(found: Mapping[str, Any]) -> str:
    """The action that deletes an entry if it has not changed since it was read."""
    version = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
    return json.dumps({"delete": {"_id": found["_id"], **version}}) + "\n"


def _source(document: Document) -> dict[str, Any]:
    """Objects are wrapped in lists: a partial update merges objects but replaces lists."""
    record = to_record(document)
    packed = {name: [record[name]] for name in OBJECTS}
    return {**record, **packed, **_derived(document)}


def _derived(document: Document) -> dict[str, Any]:
    """Fields that are filtered and counted, and are not read back."""
    return {
        "folders": folders(document.ref.key),
        "camera": document.metadata.get("camera"),
        "pixels": document.pixels,
        "orientation": document.orientation,
    }


def _lines(verb: str, id: str, expected: Version | None, source: str) -> str:
    action: dict[str, object] = {"_id": id}
    if expected is not None:
        action["if_seq_no"], action["if_primary_term"] = expected
    return f"{json.dumps({verb: action})}\n{source}\n"
