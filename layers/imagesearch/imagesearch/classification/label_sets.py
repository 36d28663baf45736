"""Use case: keep sets of labels, embedded once, for as many classes as there are.

How a label set lies in an index: a record of the set, and one document for each label.

A set's labels are of one generation, which the set's record names: a set that is replaced is
searched as it was until all of the new one is there, and then as it is.

Writes the labels of a set, embedded in batches; and deletes those of generations gone by.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeAlias, TypeVar

from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound, Unavailable
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Document, Embedding, ImageRef, Status
from imagesearch.domain.ports import Delete, Put, Stored, VectorIndex, Write, WriteStatus
from imagesearch.domain.queries import Selection, VectorQuery
from imagesearch.search.pagination import seal, unseal

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


LABELS_AT_A_TIME = 64
DELETED_AT_A_TIME = 500

Progress: TypeAlias = Callable[[int], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelWriter:
    """Raises Unavailable, also where somebody else writes the same set."""

    index: VectorIndex
    labels: LabelEncoder
    clock: Callable[[], datetime]

    def put(
        self, collection: str, labels: Sequence[str], old: str | None, progress: Progress
    ) -> None:
        """Add labels to a collection; those that the `old` one has are not embedded again."""
        for part in _parts(labels, LABELS_AT_A_TIME):
            refs = {label: label_ref(collection, label) for label in part}
            there = self.index.get([ref.id for ref in refs.values()])
            missing = [
                label
                for label, ref in refs.items()
                if ref.id not in there or there[ref.id].document is None
            ]
            vectors = self._vectors(missing, old)
            now, model = self.clock(), self.labels.model
            versions = {label: there.get(refs[label].id) for label in missing}
            self._write(
                Put(
                    label_record(collection, label, model, now),
                    vectors[label],
                    known.version if known else None,
                )
                for label, known in versions.items()
            )
            progress(len(part))

    def write_record(self, write: Write) -> None:
        """Write a set's record, if nobody has since it was read."""
        if WriteStatus.CONFLICT in self._write([write]):
            raise Unavailable("the label set was written by somebody else meanwhile", "try again")

    def sweep(self, name: str, keep: str | None) -> None:
        """Delete every other generation's labels, also those that a broken replacement left."""
        for refs in _parts(self._leftovers(name, keep), DELETED_AT_A_TIME):
            stored = self.index.get([ref.id for ref in refs])
            self._write(Delete(ref, stored[ref.id].version) for ref in refs if ref.id in stored)

    def _leftovers(self, name: str, keep: str | None) -> Iterator[ImageRef]:
        for found in self.index.scan(Selection(filter=KeyPrefix(f"{name}."))):
            if found.document.ref.collection != keep:
                yield found.document.ref

    def _vectors(self, labels: Sequence[str], old: str | None) -> dict[str, Embedding]:
        ids = {label: label_ref(old, label).id for label in labels} if old else {}
        known = self.index.embeddings(list(ids.values())) if ids else {}
        found = {label: known[id] for label, id in ids.items() if id in known}
        new = [label for label in labels if label not in found]
        if new:
            found.update(zip(new, self.labels.encode_labels(new), strict=True))
        return found

    def _write(self, writes: Iterable[Write]) -> list[WriteStatus]:
        """A conflict over a label means that somebody else has just put it there, or deleted it."""
        results = self.index.write(list(writes))
        for result in results:
            if result.status is WriteStatus.FAILED:
                raise Unavailable(f"a label cannot be written: {result.reason}", "try again")
        return [result.status for result in results]


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


MAX_SETS = 100


@dataclass(frozen=True, slots=True)
class LabelPage:
    """`count` is of the whole set."""

    name: str
    count: int
    labels: list[str]
    cursor: str | None


class LabelSets:
    """Sets in an index of their own, which is opened when it is first needed.

    Raises InvalidQuery, NotFound, Unavailable, and NotAllowed for a change of `read_only` ones.
    What is written is found shortly after.
    """

    def __init__(
        self,
        open_index: Callable[[], VectorIndex],
        labels: LabelEncoder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        read_only: bool = False,
    ) -> None:
        self._open_index = open_index
        self._labels = labels
        self._clock = clock
        self._read_only = read_only

    @property
    def _index(self) -> VectorIndex:
        return self._open_index()

    @property
    def _writer(self) -> LabelWriter:
        if self._read_only:
            raise NotAllowed(
                "this key may not change label sets, which all keys share",
                "use a key that is bound to no collection",
            )
        return LabelWriter(self._index, self._labels, self._clock)

    def replace(
        self, name: str, labels: Sequence[str], progress: Progress = lambda _: None
    ) -> None:
        """Make these the set's labels, all at one moment; `progress` hears how many are in.

        What the set had already is not embedded again. Of two who replace it at once, one fails.
        """
        _check_name(name)
        writer = self._writer
        known = self._stored(name)
        old = _generation(known)
        if not old and len(self._records()) >= MAX_SETS:
            raise _too_many_sets()
        new = uuid.uuid4().hex
        writer.put(collection_of(name, new), labels, old and collection_of(name, old), progress)
        record = set_record(name, new, self._labels.model, self._clock())
        writer.write_record(Put(record, None, known.version if known else None))
        writer.sweep(name, keep=collection_of(name, new))

    def add(self, name: str, labels: Sequence[str], progress: Progress = lambda _: None) -> None:
        """Add labels to a set that is there; one that it has already stays as it is."""
        self._writer.put(self._collection(name), labels, None, progress)

    def counts(self) -> dict[str, int]:
        """How many labels each set has, by name."""
        collections = {
            set_name(record): collection_of(set_name(record), record.metadata[GENERATION])
            for record in self._records()
        }
        return {
            name: self._index.count(Selection(collection=each))
            for name, each in collections.items()
        }

    def page(self, name: str, cursor: str | None, limit: int) -> LabelPage:
        """Labels in the order of their letters."""
        collection = self._collection(name)
        request = f"labels of {collection}"
        after = str(unseal(cursor, request)[0]) if cursor else None
        labels = Selection(collection=collection)
        found = self._index.list_documents(labels, after=after, limit=limit + 1)
        more = len(found) > limit
        return LabelPage(
            name,
            self._index.count(labels),
            [label_of(record) for record in found[:limit]],
            seal([found[limit - 1].ref.key], request) if more else None,
        )

    def delete(self, name: str) -> None:
        writer = self._writer
        self._collection(name)
        known = self._stored(name)
        writer.write_record(Delete(set_ref(name), known.version if known else None))
        writer.sweep(name, keep=None)

    def nearest(self, name: str, embedding: Embedding, limit: int) -> list[tuple[str, float]]:
        """The labels nearest to an image's embedding, with their cosines, nearest first."""
        hits = self._index.search(VectorQuery(embedding, limit, self._collection(name)))
        return [(label_of(hit.document), hit.score) for hit in hits]

    def _records(self) -> list[Document]:
        return self._index.list_documents(Selection(collection=SETS), limit=MAX_SETS)

    def _collection(self, name: str) -> str:
        _check_name(name)
        generation = _generation(self._stored(name))
        if not generation:
            raise NotFound(f"there is no label set {name!r}", "PUT /v1/labelsets/{name} makes one")
        return collection_of(name, generation)

    def _stored(self, name: str) -> Stored | None:
        return self._index.get([set_ref(name).id]).get(set_ref(name).id)


def _generation(known: Stored | None) -> str | None:
    return known.document.metadata[GENERATION] if known and known.document else None


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidQuery(
            f"a label set cannot be named {name[:80]!r}",
            "a name has 1 to 64 of a-z, 0-9, - and _, and begins with a letter or digit",
            code="invalid_name",
        )


def _too_many_sets() -> InvalidQuery:
    return InvalidQuery(
        f"there are {MAX_SETS} label sets already", "delete one first", code="too_many_sets"
    )
