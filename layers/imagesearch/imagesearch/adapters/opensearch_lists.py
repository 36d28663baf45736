"""An index in OpenSearch without its vectors: listed, counted, scanned, and how it is."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from opensearchpy import OpenSearch

from imagesearch.adapters.opensearch.queries import (
    COUNTS,
    LINK_PATHS,
    LINKS_AT_A_TIME,
    links,
    listing,
    listing_by_time,
    matching,
    scanning,
)
from imagesearch.adapters.opensearch.records import document, embedding, linked
from imagesearch.adapters.opensearch_asking import STRICT, OpenSearchAsking
from imagesearch.domain.errors import ImageSearchError, Unavailable
from imagesearch.domain.filters import Filter
from imagesearch.domain.images import Document, Linked, Scanned, Status, TakenPlace
from imagesearch.states import IndexHealth

# A scan that is left half done costs the server this long.
SCAN_PAUSE = "5m"


class OpenSearchLists(OpenSearchAsking):
    """What the index says of the images, whatever their vectors."""

    def list_documents(
        self,
        *,
        status: Status | None,
        collection: str | None,
        after: str | None,
        limit: int,
        filter: Filter | None = None,
    ) -> list[Document]:
        hits = self._search(listing(matching(status, collection, filter), after, limit))
        return [document(hit["_source"]) for hit in hits]

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
        query = matching(status, collection, filter)
        hits = self._search(listing_by_time(query, after, limit, newest_first))
        return [document(hit["_source"]) for hit in hits]

    def count(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
    ) -> int:
        body = {"query": matching(status, collection, filter)}
        answer = self._client.read_index(lambda client: client.count(index=self._name, body=body))
        if answer and answer["_shards"]["failed"]:
            raise Unavailable("OpenSearch cannot count: a part of the index is away", "try again")
        return int(answer["count"]) if answer else 0

    def scan(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
        embeddings: bool = False,
    ) -> Iterator[Scanned]:
        query = matching(status, collection, filter)
        view = self._client.read_index(
            lambda client: client.create_pit(index=self._name, params={"keep_alive": SCAN_PAUSE})
        )
        if view:
            try:
                yield from self._pages(query, view["pit_id"], embeddings)
            finally:
                self._close_view(view["pit_id"])

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        after: Sequence[Any] | None = None
        while hits := self._search(links(collection, after), filter_path=LINK_PATHS):
            for hit in hits:
                yield linked(hit)
            if len(hits) < LINKS_AT_A_TIME:
                return
            after = hits[-1]["sort"]

    def health(self) -> IndexHealth:
        """A red index fails the counting already."""
        counted = self._client.read_index(
            lambda client: client.search(index=self._name, body=COUNTS, params=STRICT)
        )
        if counted is None:
            cluster = self._client.read(lambda client: client.cluster.health())
            return IndexHealth(self._name, cluster["status"], images=0, rejected=0)
        state = self._client.read(lambda client: client.cluster.health(index=self._name))
        buckets = counted["aggregations"]["statuses"]["buckets"]
        counts = {bucket["key"]: bucket["doc_count"] for bucket in buckets}
        return IndexHealth(
            name=self._name,
            status=state["status"],
            images=counts.get(Status.INDEXED, 0),
            rejected=counts.get(Status.REJECTED, 0),
        )

    def _pages(self, query: dict[str, Any], view: str, embeddings: bool) -> Iterator[Scanned]:
        after: Sequence[Any] | None = None
        while True:
            body = scanning(query, view, SCAN_PAUSE, after, embeddings)
            hits = self._client.read(partial(OpenSearch.search, body=body))["hits"]["hits"]
            for hit in hits:
                yield Scanned(document(hit["_source"]), embedding(hit["_source"]))
            if not hits:
                return
            after = hits[-1]["sort"]

    def _close_view(self, view: str) -> None:
        """Best effort: the role may not delete anything, and a view closes itself in time."""
        with suppress(ImageSearchError):
            self._client.read(lambda client: client.delete_pit(body={"pit_id": [view]}))
