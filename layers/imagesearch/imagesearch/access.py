"""A vector index as the holder of a bound API key sees it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from imagesearch.domain.errors import NotAllowed
from imagesearch.domain.filters import Filter
from imagesearch.domain.images import (
    Document,
    Embedding,
    Hit,
    Linked,
    Scanned,
    Status,
    TakenPlace,
    VectorQuery,
)
from imagesearch.domain.ports import VectorIndex
from imagesearch.scoping import Scope
from imagesearch.states import IndexHealth
from imagesearch.writes import Stored, Write, WriteResult


class ScopedIndex:
    """A vector index of which nothing is seen or written but what the scope holds."""

    def __init__(self, index: VectorIndex, scope: Scope) -> None:
        self._index = index
        self._scope = scope

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._index.get(ids)
        return {id: stored for id, stored in found.items() if self._holds(stored)}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        return self._index.embeddings(list(self.get(ids)))

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """A hash is left out where the image that was indexed last is outside of the scope."""
        found = self._index.by_sha256(hashes, decoder)
        return {
            sha256: scanned
            for sha256, scanned in found.items()
            if self._scope.holds(scanned.document.ref)
        }

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        for write in writes:
            self._scope.require(write.ref)
        return self._index.write(writes)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._index.search(self._narrowed(query))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        return self._index.search_many([self._narrowed(query) for query in queries])

    def list_documents(
        self,
        *,
        status: Status | None,
        collection: str | None,
        after: str | None,
        limit: int,
        filter: Filter | None = None,
    ) -> list[Document]:
        return self._index.list_documents(
            status=status,
            collection=collection,
            after=after,
            limit=limit,
            filter=self._scope.narrowed(filter),
        )

    def list_by_time(
        self,
        *,
        newest_first: bool,
        status: Status | None,
        collection: str | None,
        after: TakenPlace | None,
        limit: int,
        filter: Filter | None = None,
    ) -> list[Document]:
        return self._index.list_by_time(
            newest_first=newest_first,
            status=status,
            collection=collection,
            after=after,
            limit=limit,
            filter=self._scope.narrowed(filter),
        )

    def count(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
    ) -> int:
        within = self._scope.narrowed(filter)
        return self._index.count(status=status, collection=collection, filter=within)

    def scan(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
        embeddings: bool = False,
    ) -> Iterator[Scanned]:
        within = self._scope.narrowed(filter)
        return self._index.scan(
            status=status, collection=collection, filter=within, embeddings=embeddings
        )

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        wanted = self._scope.collections & ({collection} if collection else self._scope.collections)
        # In the order of keys, which go on with a slash.
        for each in sorted(wanted, key=lambda name: f"{name}/".encode()):
            yield from self._index.linked(collection=each)

    @property
    def settles_after(self) -> timedelta:
        return self._index.settles_after

    def health(self) -> IndexHealth:
        return replace(
            self._index.health(),
            images=self.count(status=Status.INDEXED),
            rejected=self.count(status=Status.REJECTED),
        )

    def drop(self) -> None:
        raise NotAllowed("this key may not drop the index", "use one that is bound to nothing")

    def _holds(self, stored: Stored) -> bool:
        return stored.document is not None and self._scope.holds(stored.document.ref)

    def _narrowed(self, query: VectorQuery) -> VectorQuery:
        return replace(query, filter=self._scope.narrowed(query.filter))
