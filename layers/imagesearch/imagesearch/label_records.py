"""How a label set lies in an index: a record of the set, and one document for each label.

A set's labels are of one generation, which the set's record names: a set that is replaced is
searched as it was until all of the new one is there, and then as it is.
"""

from __future__ import annotations

import re
from datetime import datetime

from imagesearch.domain.images import Document, ImageRef, Status

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# No set has such a name: a dot parts its name and its generation.
SETS = ".sets"
BUCKET = "labelsets"
GENERATION = "generation"


def set_ref(name: str) -> ImageRef:
    return ImageRef(BUCKET, f"{SETS}/{name}")


def set_record(name: str, generation: str, model: str, now: datetime) -> Document:
    return _document(set_ref(name), model, now, {GENERATION: generation})


def set_name(record: Document) -> str:
    return record.ref.key.removeprefix(f"{SETS}/")


def collection_of(name: str, generation: str) -> str:
    """The collection that holds a generation's labels."""
    return f"{name}.{generation}"


def label_ref(collection: str, label: str) -> ImageRef:
    return ImageRef(BUCKET, f"{collection}/{label}")


def label_record(collection: str, label: str, model: str, now: datetime) -> Document:
    return _document(label_ref(collection, label), model, now, {})


def label_of(record: Document) -> str:
    return record.ref.key.partition("/")[2]


def _document(ref: ImageRef, model: str, now: datetime, metadata: dict[str, str]) -> Document:
    return Document(
        ref=ref,
        status=Status.INDEXED,
        etag="",
        last_modified=now,
        size=0,
        indexed_at=now,
        model=model,
        decoder="",
        metadata=metadata,
    )
