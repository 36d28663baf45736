"""Use case: keep sets of labels, embedded once, for as many classes as there are."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound
from imagesearch.domain.images import Document, Embedding, VectorQuery
from imagesearch.domain.ports import VectorIndex
from imagesearch.label_records import (
    GENERATION,
    NAME,
    SETS,
    collection_of,
    label_of,
    set_name,
    set_record,
    set_ref,
)
from imagesearch.label_writing import LabelWriter, Progress
from imagesearch.search.pagination import seal, unseal
from imagesearch.writes import Delete, Put, Stored

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
        return {name: self._index.count(collection=each) for name, each in collections.items()}

    def page(self, name: str, cursor: str | None, limit: int) -> LabelPage:
        """Labels in the order of their letters."""
        collection = self._collection(name)
        request = f"labels of {collection}"
        after = str(unseal(cursor, request)[0]) if cursor else None
        found = self._index.list_documents(
            status=None, collection=collection, after=after, limit=limit + 1
        )
        more = len(found) > limit
        return LabelPage(
            name,
            self._index.count(collection=collection),
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
        return self._index.list_documents(status=None, collection=SETS, after=None, limit=MAX_SETS)

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
