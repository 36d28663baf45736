"""Use case: label sets, whose labels are embedded once, for zero-shot classification.

An index of its own holds a record for each set and a document for each label. The set's record
names the current generation of its labels. Replacing a set writes a new generation, switches the
record to it and deletes the old one, so that a search sees either the old set or the new one.

The document of a label names its examples, which are images of the image index, and the set's
record has the result of learning from them. Vectors of examples are not copied: a deleted image is
no example any more.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np

from imagesearch.classification.examples import (
    MAX_LABELS_WITH_EXAMPLES,
    FewShot,
    NamedExamples,
    check_labels_of_examples,
    few_shot,
    known_images,
    named_images,
)
from imagesearch.classification.few_shot import Learned
from imagesearch.classification.label_records import (
    EXAMPLES,
    GENERATION,
    SETS,
    collection_of,
    generation_of,
    label_of,
    label_record,
    label_ref,
    learned_of,
    set_name,
    set_record,
    set_ref,
)
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound, Unavailable
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Document, Embedding, ImageRef
from imagesearch.domain.ports import Delete, Put, Stored, VectorIndex, Write, WriteStatus
from imagesearch.domain.queries import Selection, VectorQuery
from imagesearch.search.pagination import seal, unseal

MAX_SETS = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# The labels of a request are one batch, so that their tokens are limited together.
WRITE_BATCH = 200
_DELETE_BATCH = 500
# Deleted images are examples for this long in a process that has fitted them.
_FITTED_FOR = timedelta(seconds=60)
_MAX_FITTED = 8

Progress: TypeAlias = Callable[[int], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelPage:
    """One page of the labels of a set; `count` is the number of labels in the whole set.

    `learned` is what was found for its examples; None without examples.
    """

    name: str
    count: int
    labels: list[str]
    cursor: str | None
    learned: Learned | None = None


class LabelSets:
    """The label sets in an index that is opened on first use.

    Methods raise InvalidQuery, NotFound and Unavailable; those that write raise NotAllowed if the
    sets are `read_only`. Searches find a written label after a delay.
    """

    def __init__(
        self,
        open_index: Callable[[], VectorIndex],
        labels: LabelEncoder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        open_images: Callable[[], VectorIndex] | None = None,
        read_only: bool = False,
    ) -> None:
        """`open_images` opens the index of the images that can be examples."""
        self._open_index = open_index
        self._labels = labels
        self._clock = clock
        self._open_images = open_images or open_index
        self._read_only = read_only
        self._fitted: dict[str, tuple[str, datetime, FewShot]] = {}

    def replace(
        self,
        name: str,
        labels: Sequence[str],
        progress: Progress = lambda _: None,
        examples: NamedExamples | None = None,
    ) -> Learned | None:
        """Create a set or replace all its labels and examples in one step.

        `progress` is called with the number of labels after each batch. Labels that the set already
        contains are not embedded again. Of two concurrent replacements, one raises Unavailable.

        Returns what was found for the examples: they are used if the regression proves better than
        zero-shot. Raises InvalidQuery for too many of them, NotFound for an unknown id.
        """
        _check_name(name)
        self._check_writable()
        named = examples or NamedExamples({})
        _check_examples(named, labels)
        images = named_images(self._open_images(), named)
        known = self._stored(name)
        old = generation_of(known)
        if not old and len(self._records()) >= MAX_SETS:
            raise _too_many_sets()
        new = collection_of(name, generation := uuid.uuid4().hex)
        self._put_labels(new, labels, old and collection_of(name, old), progress, named.ids)
        found = None
        if examples:
            vectors = self._label_vectors(new, labels)
            found = few_shot(self._labels, labels, vectors, images).result
        record = set_record(name, generation, self._labels.model, self._clock(), found)
        self._write_record(Put(record, None, known.version if known else None))
        self._delete_generations(name, keep=new)
        return found

    def add(self, name: str, labels: Sequence[str], progress: Progress = lambda _: None) -> None:
        """Add labels to an existing set; labels that it already contains do not change."""
        self._check_writable()
        collection = self._collection(name)
        if learned_of(self._stored(name)):
            raise InvalidQuery(
                f"the label set {name!r} has examples",
                "replace it with PUT /v1/labelsets/{name}, with all labels and examples",
                "labelset_has_examples",
            )
        self._put_labels(collection, labels, None, progress)

    def delete(self, name: str) -> None:
        """Delete a set and its labels."""
        self._check_writable()
        self._collection(name)
        known = self._stored(name)
        self._write_record(Delete(set_ref(name), known.version if known else None))
        self._delete_generations(name, keep=None)

    def counts(self) -> dict[str, int]:
        """The number of labels of each set, by name."""
        collections = {
            set_name(record): collection_of(set_name(record), record.metadata[GENERATION])
            for record in self._records()
        }
        return {
            name: self._index.count(Selection(collection=each))
            for name, each in collections.items()
        }

    def page(self, name: str, cursor: str | None, limit: int) -> LabelPage:
        """One page of a set's labels, ordered by their UTF-8 bytes."""
        collection = self._collection(name)
        request = f"labels of {collection}"
        after = str(unseal(cursor, request, str)[0]) if cursor else None
        labels = Selection(collection=collection)
        found = self._index.list_documents(labels, after=after, limit=limit + 1)
        more = len(found) > limit
        return LabelPage(
            name,
            self._index.count(labels),
            [label_of(record) for record in found[:limit]],
            seal([found[limit - 1].ref.key], request) if more else None,
            learned_of(self._stored(name)),
        )

    def few_shot(self, name: str) -> FewShot | None:
        """The classifier that has learned from the examples of a set; None without examples."""
        stored = self._stored(name)
        generation, result = generation_of(stored), learned_of(stored)
        if not (generation and result):
            return None
        now = self._clock()
        known, since, fitted = self._fitted.get(name, ("", now, None))
        if fitted and known == generation and now - since < _FITTED_FOR:
            return fitted
        fitted, complete = self._fit(collection_of(name, generation), result)
        if complete:
            while len(self._fitted) >= _MAX_FITTED:
                del self._fitted[next(iter(self._fitted))]
            self._fitted[name] = generation, now, fitted
        return fitted

    def nearest(self, name: str, embedding: Embedding, limit: int) -> list[tuple[str, float]]:
        """The `limit` labels nearest to an embedding [D], nearest first, with their cosines."""
        hits = self._index.search(VectorQuery(embedding, limit, self._collection(name)))
        return [(label_of(hit.document), hit.score) for hit in hits]

    def _fit(self, collection: str, result: Learned) -> tuple[FewShot, bool]:
        """Fit the stored examples; whether searches find all labels of the set already."""
        selection = Selection(collection=collection)
        records = self._index.list_documents(selection, limit=MAX_LABELS_WITH_EXAMPLES)
        # A damaged vector is absent, and its label with it, as in searches.
        usable = self._index.embeddings([record.ref.id for record in records])
        records = [record for record in records if record.ref.id in usable]
        if not records:
            raise Unavailable("no label of the set can be read", "put the label set again")
        labels = [label_of(record) for record in records]
        ids = {
            label_of(record): record.metadata[EXAMPLES].split()
            for record in records
            if EXAMPLES in record.metadata
        }
        images = known_images(self._open_images(), NamedExamples(ids))
        vectors = np.stack([usable[record.ref.id] for record in records])
        few = few_shot(self._labels, labels, vectors, images, result)
        return few, sum(map(len, ids.values())) == result.examples

    def _label_vectors(self, collection: str, labels: Sequence[str]) -> Embedding:
        """[C, D]"""
        ids = [label_ref(collection, label).id for label in labels]
        found = self._index.embeddings(ids)
        return np.stack([found[id] for id in ids])

    @property
    def _index(self) -> VectorIndex:
        return self._open_index()

    def _check_writable(self) -> None:
        if self._read_only:
            raise NotAllowed(
                "this key may not change label sets, which all keys share",
                "use a key that is not bound to collections",
            )

    def _records(self) -> list[Document]:
        return self._index.list_documents(Selection(collection=SETS), limit=MAX_SETS)

    def _collection(self, name: str) -> str:
        _check_name(name)
        generation = generation_of(self._stored(name))
        if not generation:
            raise label_set_not_found(name)
        return collection_of(name, generation)

    def _stored(self, name: str) -> Stored | None:
        return self._index.get([set_ref(name).id]).get(set_ref(name).id)

    def _put_labels(
        self,
        collection: str,
        labels: Sequence[str],
        old: str | None,
        progress: Progress,
        examples: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Write labels that the collection lacks; embeddings in the collection `old` are reused."""
        for batch in _batches(labels, WRITE_BATCH):
            refs = {label: label_ref(collection, label) for label in batch}
            stored = self._index.get([ref.id for ref in refs.values()])
            missing = [
                label
                for label, ref in refs.items()
                if ref.id not in stored or stored[ref.id].document is None
            ]
            vectors = self._vectors(missing, old)
            now, model = self._clock(), self._labels.model
            entries = {label: stored.get(refs[label].id) for label in missing}
            self._write(
                Put(
                    label_record(collection, label, model, now, (examples or {}).get(label, ())),
                    vectors[label],
                    entry.version if entry else None,
                )
                for label, entry in entries.items()
            )
            progress(len(batch))

    def _vectors(self, labels: Sequence[str], old: str | None) -> dict[str, Embedding]:
        ids = {label: label_ref(old, label).id for label in labels} if old else {}
        known = self._index.embeddings(list(ids.values())) if ids else {}
        vectors = {label: known[id] for label, id in ids.items() if id in known}
        new = [label for label in labels if label not in vectors]
        if new:
            vectors.update(zip(new, self._labels.encode_labels(new), strict=True))
        return vectors

    def _delete_generations(self, name: str, keep: str | None) -> None:
        """Delete the labels of other generations, including those of interrupted replacements."""
        for refs in _batches(self._obsolete(name, keep), _DELETE_BATCH):
            stored = self._index.get([ref.id for ref in refs])
            self._write(Delete(ref, stored[ref.id].version) for ref in refs if ref.id in stored)

    def _obsolete(self, name: str, keep: str | None) -> Iterator[ImageRef]:
        for found in self._index.scan(Selection(filter=KeyPrefix(f"{name}."))):
            if found.document.ref.collection != keep:
                yield found.document.ref

    def _write_record(self, write: Write) -> None:
        """Write a set's record; raises Unavailable if it has changed since it was read."""
        if WriteStatus.CONFLICT in self._write([write]):
            raise Unavailable("another request changed the label set at the same time", "try again")

    def _write(self, writes: Iterable[Write]) -> list[WriteStatus]:
        """A conflict over a label is no error: another request has written or deleted it."""
        results = self._index.write(list(writes))
        for result in results:
            if result.status is WriteStatus.FAILED:
                raise Unavailable(f"a label cannot be written: {result.reason}", "try again")
        return [result.status for result in results]


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _check_examples(examples: NamedExamples, labels: Sequence[str]) -> None:
    check_labels_of_examples(examples, labels)
    if examples.ids and len(labels) > MAX_LABELS_WITH_EXAMPLES:
        raise InvalidQuery(
            f"there are {len(labels):,} labels with examples",
            f"use up to {MAX_LABELS_WITH_EXAMPLES} labels in a set with examples",
            "invalid_examples",
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidQuery(
            f"{name[:80]!r} is not a valid name for a label set",
            "use 1 to 64 characters of a-z, 0-9, - and _, beginning with a letter or digit",
            code="invalid_name",
        )


def _too_many_sets() -> InvalidQuery:
    return InvalidQuery(
        f"there are already {MAX_SETS} label sets", "delete one first", code="too_many_sets"
    )


def label_set_not_found(name: str) -> NotFound:
    """The error for a name that no label set has."""
    return NotFound(f"there is no label set {name!r}", "create it with PUT /v1/labelsets/{name}")
