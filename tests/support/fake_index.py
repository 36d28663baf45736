"""An in-memory vector index that passes the same contract tests as the real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import ge, gt, le, lt

import numpy as np

from imagesearch.adapters.index_records import epoch_milliseconds, query_vector, unit_vector
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.facets import Facets, facets_of
from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateRange,
    FieldFilter,
    Filter,
    KeyPrefix,
    MetadataContains,
    MetadataOneOf,
    MetadataRecorded,
    Not,
    NumberRange,
    OneOf,
    Recorded,
    lower_ascii,
)
from imagesearch.domain.folders import CollectionCount, folder_of, folders, in_collection
from imagesearch.domain.images import Document, Embedding, IndexEntry, Linked, Scanned, Status
from imagesearch.domain.ports import (
    Delete,
    IndexHealth,
    Put,
    Stored,
    Write,
    WriteResult,
    WriteStatus,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TimePosition, VectorQuery
from tests.support.fakes import Hooks, ref

COMPARE = {"gte": ge, "lte": le, "gt": gt, "lt": lt}


@dataclass
class FakeIndex:
    """Entries with versions; a tombstone is an entry without a document.

    `requested` has the searches of each round trip, `reads` counts reads of embeddings. Without
    `dimension`, embeddings of any length are accepted.
    """

    dimension: int | None = None

    entries: dict[str, tuple[Document | None, Embedding | None, int]] = field(default_factory=dict)
    unavailable: bool = False
    failing: set[str] = field(default_factory=set)
    visibility_delay: timedelta = timedelta(0)
    before_write: Hooks = field(default_factory=Hooks)
    writes: int = 0
    requested: list[list[VectorQuery]] = field(default_factory=list)
    reads: int = 0

    def get(self, ids: Sequence[str]) -> dict[str, Stored]:
        self._answer()
        found = {id: self.entries[id] for id in ids if id in self.entries}
        return {id: Stored(document, (seq, 1)) for id, (document, _, seq) in found.items()}

    def embeddings(self, ids: Sequence[str]) -> dict[str, Embedding]:
        self._answer()
        self.reads += 1
        found = {id: self.entries[id] for id in ids if id in self.entries}
        return {
            id: embedding
            for id, (document, embedding, _) in found.items()
            if document and document.status is Status.INDEXED and embedding is not None
        }

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> dict[str, Scanned]:
        self._answer()
        found = [
            (seq, document.sha256, Scanned(document, embedding))
            for document, embedding, seq in self.entries.values()
            if document and document.sha256 in hashes and document.decoder == decoder
            if document.sha256 and embedding is not None and document.status is Status.INDEXED
        ]
        found.sort(key=lambda each: each[0])
        return {sha256: scanned for _, sha256, scanned in found}

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        self._answer()
        self.requested.append(list(queries))
        return [self._nearest(query) for query in queries]

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        documents = sorted(self._selected(selection), key=_key)
        return [each for each in documents if after is None or _key(each) > after.encode()][:limit]

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        documents = sorted(self._selected(selection), key=_time_and_key, reverse=newest_first)
        documents.sort(key=lambda each: each.taken_at is None)
        if after:
            documents = [each for each in documents if _is_after(each, after, newest_first)]
        return documents[:limit]

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        return len(self._selected(selection))

    def facets(self, selection: Selection = ALL_DOCUMENTS) -> Facets:
        return facets_of(self._selected(selection), selection.collection)

    def collections(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        depth: int,
        after: str | None = None,
        limit: int,
    ) -> list[CollectionCount]:
        parent = "" if selection.collection is None else folder_of(selection.collection)
        images = Counter(
            folder for each in self._selected(selection) for folder in folders(each.ref.key)
        )
        levels = parent.count("/")
        below = sorted(name for name in images if name.startswith(parent) and name != parent)
        found = [
            CollectionCount(
                folder[:-1],
                images[folder],
                nested=any(other.startswith(folder) and other != folder for other in images),
            )
            for folder in below
            if folder.count("/") - levels <= depth
            if after is None or folder > folder_of(after)
        ]
        return found[:limit]

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        documents = sorted(self._selected(selection), key=_key)
        for each, embedding in [(each, self.entries[each.id][1]) for each in documents]:
            yield Scanned(each, embedding if embeddings else None)

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        for each in sorted(self._selected(Selection(Status.INDEXED, collection)), key=_key):
            if each.neighbors and each.sha256:
                yield Linked(each.id, each.ref.key, each.sha256, each.neighbors)

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        for each in sorted(self._selected(ALL_DOCUMENTS), key=lambda each: (_key(each), each.id)):
            if _key(each) > after.encode():
                yield each.entry

    def keys_of_ids(self, prefix: str) -> list[str]:
        self._answer()
        documents = [each for id, (each, _, _) in self.entries.items() if id.startswith(prefix)]
        return [each.ref.key for each in sorted(filter(None, documents), key=_key)]

    def health(self) -> IndexHealth:
        self._answer()
        statuses = [document.status for document, _, _ in self.entries.values() if document]
        rejected = statuses.count(Status.REJECTED)
        return IndexHealth("images-fake", "green", len(statuses) - rejected, rejected)

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        self.before_write.run()
        self._answer()
        return [self._write(write) for write in writes]

    def drop(self) -> None:
        self.entries.clear()

    def document(self, key: str) -> Document | None:
        return self.entries.get(ref(key).id, (None, None, 0))[0]

    def embedding_of(self, key: str) -> Embedding:
        return self.embeddings([ref(key).id])[ref(key).id]

    def keys(self, status: Status = Status.INDEXED) -> list[str]:
        documents = self.list_documents(Selection(status), limit=10_000)
        return [document.ref.key for document in documents]

    def _nearest(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self.dimension or len(query.embedding))
        hits = [
            Hit(document, _cosine(embedding, vector))
            for document, embedding, _ in self.entries.values()
            if document and embedding is not None and document.id not in query.exclude
            if _matches(document, Selection(Status.INDEXED, query.collection, query.filter))
        ]
        hits.sort(key=_place)
        if query.min_score is not None:
            hits = [hit for hit in hits if hit.score >= query.min_score]
        if query.after:
            hits = [hit for hit in hits if _place(hit) > (-query.after.score, query.after.id)]
        return hits[: query.limit]

    def _selected(self, selection: Selection) -> list[Document]:
        self._answer()
        documents = (document for document, _, _ in self.entries.values() if document)
        return [document for document in documents if _matches(document, selection)]

    def _write(self, write: Write) -> WriteResult:
        id = write.ref.id
        if write.ref.key in self.failing:
            return WriteResult(WriteStatus.FAILED, "no room")
        known = self.entries.get(id)
        if write.expected != ((known[2], 1) if known else None):
            return WriteResult(WriteStatus.CONFLICT)
        embedding = None
        if isinstance(write, Put) and write.embedding is not None:
            try:
                dimension = self.dimension or len(write.embedding)
                embedding = unit_vector(write.embedding, dimension)
            except ValueError as error:
                return WriteResult(WriteStatus.FAILED, str(error))
        self.writes += 1
        if isinstance(write, Delete):
            self.entries[id] = None, None, self.writes
        elif isinstance(write, Put):
            self.entries[id] = write.document, embedding, self.writes
        else:
            self.entries[id] = write.document, known[1] if known else None, self.writes
        return WriteResult(WriteStatus.WRITTEN)

    def _answer(self) -> None:
        if self.unavailable:
            raise Unavailable("the index is unavailable")


def _matches(document: Document, selection: Selection) -> bool:
    return (
        selection.status in (None, document.status)
        and in_collection(document.ref.key, selection.collection)
        and (selection.filter is None or _holds(selection.filter, document))
    )


def _holds(filter: Filter, document: Document) -> bool:
    match filter:
        case AllOf(filters):
            return all(_holds(each, document) for each in filters)
        case AnyOf(filters):
            return any(_holds(each, document) for each in filters)
        case Not(negated):
            return not _holds(negated, document)
        case _:
            return _field_holds(filter, document)


def _field_holds(filter: FieldFilter, document: Document) -> bool:
    match filter:
        case KeyPrefix(prefix):
            return document.ref.key.startswith(prefix)
        case OneOf(field, values):
            return _text(document, field) in values
        case MetadataOneOf(name, values):
            return document.metadata.get(name) in values
        case MetadataContains(name, texts):
            value = lower_ascii(document.metadata.get(name, ""))
            return any(lower_ascii(text) in value for text in texts if name in document.metadata)
        case Recorded(field):
            return _text(document, field) is not None
        case MetadataRecorded(name):
            return name in document.metadata
        case NumberRange() | DateRange():
            return _within(filter, getattr(document, filter.field))


def _text(document: Document, field: str) -> str | None:
    value: str | None = getattr(document.ref if field == "collection" else document, field)
    return value


def _within(filter: NumberRange | DateRange, value: float | datetime | None) -> bool:
    if value is None:
        return False
    bounds = {name: getattr(filter, name) for name in COMPARE}
    return all(
        COMPARE[name](_number(value), _number(bound))
        for name, bound in bounds.items()
        if bound is not None
    )


def _number(value: float | datetime) -> float:
    return epoch_milliseconds(value) if isinstance(value, datetime) else value


def _cosine(embedding: Embedding, vector: Embedding) -> float:
    product = embedding.astype(np.float64) @ vector.astype(np.float64)
    return float(np.clip(product, -1, 1))


def _key(document: Document) -> bytes:
    return document.ref.key.encode()


def _time_and_key(document: Document) -> tuple[float, bytes]:
    return _number(document.taken_at) if document.taken_at else 0, _key(document)


def _is_after(document: Document, place: TimePosition, newest_first: bool) -> bool:
    if (document.taken_at is None) != (place.taken_at is None):
        return document.taken_at is None
    reached = (_number(place.taken_at) if place.taken_at else 0), place.key.encode()
    this = _time_and_key(document)
    return this < reached if newest_first else this > reached


def _place(hit: Hit) -> tuple[float, str]:
    return -hit.score, hit.document.id
