"""An index in memory, with the versions and traces of deletion that the real ones have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.filters import Filter, KeyPrefix, MetadataRecorded, OneOf, Recorded
from imagesearch.domain.images import Document, Embedding, Linked, Scanned, Status
from imagesearch.domain.ports import (
    Delete,
    IndexHealth,
    Put,
    Stored,
    Write,
    WriteResult,
    WriteStatus,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TakenPlace, VectorQuery
from tests.support.fakes import START, Hooks, ref


@dataclass
class FakeIndex:
    """Entries with versions; a deleted one stays as an entry without a document.

    `asked` are the searches of each round trip, whose filters it passes over; `looks` counts how
    often embeddings were read.
    """

    entries: dict[str, tuple[Document | None, Embedding | None, int]] = field(default_factory=dict)
    away: bool = False
    failing: set[str] = field(default_factory=set)
    visibility_delay: timedelta = timedelta(0)
    before_write: Hooks = field(default_factory=Hooks)
    writes: int = 0
    asked: list[list[VectorQuery]] = field(default_factory=list)
    looks: int = 0

    def get(self, ids: Sequence[str]) -> dict[str, Stored]:
        self._answer()
        found = {id: self.entries[id] for id in ids if id in self.entries}
        return {id: Stored(document, (seq, 1)) for id, (document, _, seq) in found.items()}

    def embeddings(self, ids: Sequence[str]) -> dict[str, Embedding]:
        self._answer()
        self.looks += 1
        found = {id: self.entries[id][1] for id in ids if id in self.entries}
        return {id: embedding for id, embedding in found.items() if embedding is not None}

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> dict[str, Scanned]:
        self._answer()
        return {
            document.sha256: Scanned(document, embedding)
            for document, embedding, _ in self.entries.values()
            if document and document.sha256 in hashes and document.decoder == decoder
            if document.sha256 and embedding is not None
        }

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        self.before_write.run()
        self._answer()
        return [self._write(write) for write in writes]

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        self._answer()
        self.asked.append(list(queries))
        return [self._nearest(query) for query in queries]

    def _nearest(self, query: VectorQuery) -> list[Hit]:
        hits = [
            Hit(document, float(embedding @ query.embedding))
            for document, embedding, _ in self.entries.values()
            if document and embedding is not None and document.id not in query.exclude
            if query.collection in (None, document.ref.collection)
            if query.filter is None or _holds(query.filter, document)
        ]
        hits.sort(key=_place)
        if query.min_score is not None:
            hits = [hit for hit in hits if hit.score >= query.min_score]
        if query.after:
            hits = [hit for hit in hits if _place(hit) > (-query.after.score, query.after.id)]
        return hits[: query.limit]

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        found = sorted(self._documents(selection), key=_key)
        return [each for each in found if after is None or _key(each) > after.encode()][:limit]

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TakenPlace | None = None,
        limit: int,
    ) -> list[Document]:
        found = self._documents(selection)
        found.sort(key=lambda each: (each.taken_at or START, _key(each)), reverse=newest_first)
        found.sort(key=lambda each: each.taken_at is None)
        places = [TakenPlace(each.taken_at, each.ref.key) for each in found]
        return found[places.index(after) + 1 if after else 0 :][:limit]

    def _documents(self, selection: Selection) -> list[Document]:
        self._answer()
        filter = selection.filter
        prefix = filter.prefix if isinstance(filter, KeyPrefix) else ""
        return [
            document
            for document, _, _ in self.entries.values()
            if document and selection.status in (None, document.status)
            if selection.collection in (None, document.ref.collection)
            if document.ref.key.startswith(prefix)
        ]

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        documents = self.list_documents(Selection(Status.INDEXED, collection), limit=10_000)
        for each in documents:
            if each.neighbours and each.sha256:
                yield Linked(each.id, each.ref.key, each.sha256, each.neighbours)

    def health(self) -> IndexHealth:
        self._answer()
        statuses = [document.status for document, _, _ in self.entries.values() if document]
        rejected = statuses.count(Status.REJECTED)
        return IndexHealth("images-fake", "green", len(statuses) - rejected, rejected)

    def drop(self) -> None:
        self.entries.clear()

    def document(self, key: str) -> Document | None:
        return self.entries.get(ref(key).id, (None, None, 0))[0]

    def embedding_of(self, key: str) -> Embedding:
        return self.embeddings([ref(key).id])[ref(key).id]

    def keys(self, status: Status = Status.INDEXED) -> list[str]:
        documents = self.list_documents(Selection(status), limit=10_000)
        return [document.ref.key for document in documents]

    def _write(self, write: Write) -> WriteResult:
        id = write.ref.id
        if write.ref.key in self.failing:
            return WriteResult(WriteStatus.FAILED, "no room")
        known = self.entries.get(id)
        if write.expected != ((known[2], 1) if known else None):
            return WriteResult(WriteStatus.CONFLICT)
        self.writes += 1
        if isinstance(write, Delete):
            self.entries[id] = None, None, self.writes
        elif isinstance(write, Put):
            self.entries[id] = write.document, write.embedding, self.writes
        else:
            self.entries[id] = write.document, known[1] if known else None, self.writes
        return WriteResult(WriteStatus.WRITTEN)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the index is away")


def _holds(filter: Filter, document: Document) -> bool:
    """Filters that use cases make themselves; what callers ask for is the adapters' matter."""
    if isinstance(filter, MetadataRecorded):
        return filter.name in document.metadata
    if isinstance(filter, OneOf):
        return getattr(document, filter.field) in filter.values
    return filter != Recorded("collection") or document.ref.collection is not None


def _key(document: Document) -> bytes:
    return document.ref.key.encode()


def _place(hit: Hit) -> tuple[float, str]:
    return -hit.score, hit.document.id
