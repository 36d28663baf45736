"""Records of label sets and of labels, which an index stores like those of images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from imagesearch.classification.few_shot import Learned, Strength
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Stored

BUCKET = "labelsets"
GENERATION, LEARNED, EXAMPLES = "generation", "learned", "examples"
# The collection of the sets' records. Not a set name, which contains no dot.
SETS = ".sets"


def set_ref(name: str) -> ImageRef:
    return ImageRef(BUCKET, f"{SETS}/{name}")


def set_record(
    name: str, generation: str, model: str, now: datetime, learned: Learned | None = None
) -> Document:
    found = {LEARNED: json.dumps(asdict(learned))} if learned else {}
    return _document(set_ref(name), model, now, {GENERATION: generation} | found)


def set_name(record: Document) -> str:
    return record.ref.key.removeprefix(f"{SETS}/")


def collection_of(name: str, generation: str) -> str:
    """The collection with the labels of one generation of a set."""
    return f"{name}.{generation}"


def label_ref(collection: str, label: str) -> ImageRef:
    return ImageRef(BUCKET, f"{collection}/{label}")


def label_record(
    collection: str, label: str, model: str, now: datetime, examples: Sequence[str] = ()
) -> Document:
    """`examples` are the ids of images."""
    named = {EXAMPLES: " ".join(dict.fromkeys(examples))} if examples else {}
    return _document(label_ref(collection, label), model, now, named)


def label_of(record: Document) -> str:
    return record.ref.key.partition("/")[2]


def described(key: str) -> str:
    """The key of a record of a label or a set for people: `label set animals: cat`."""
    collection, _, label = key.partition("/")
    if collection == SETS:
        return f"label set {label}"
    return f"label set {collection.partition('.')[0]}: {label}"


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


def generation_of(known: Stored | None) -> str | None:
    """The generation that the record of a set names; None without a record."""
    return known.document.metadata[GENERATION] if known and known.document else None


def learned_of(known: Stored | None) -> Learned | None:
    """The result for the examples of a set, from its record; None without examples."""
    if not (known and known.document and LEARNED in known.document.metadata):
        return None
    fields = json.loads(known.document.metadata[LEARNED])
    strength, accuracy = fields["strength"], fields["accuracy"]
    return replace(
        Learned(**fields),
        strength=Strength(**strength) if strength else None,
        accuracy=(accuracy[0], accuracy[1]) if accuracy else None,
    )
