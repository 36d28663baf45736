"""How an index in OpenSearch is read: records by id, k-NN searches, listings, scans, counts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlencode

import numpy as np
from opensearchpy import OpenSearch

from imagesearch.adapters.opensearch_client import OpenSearchClient
from imagesearch.adapters.opensearch_queries import (
    COUNTS,
    LINKS_AT_A_TIME,
    cosine,
    links,
    listing,
    listing_by_time,
    matching,
    nearest,
    same_copy,
    scanning,
)
from imagesearch.adapters.opensearch_records import WITHOUT_EMBEDDING, document, linked, stored
from imagesearch.adapters.opensearch_schema import EMBEDDING, check_index
from imagesearch.adapters.unit_vectors import query_vector
from imagesearch.domain import (
    Document,
    Embedding,
    Hit,
    Linked,
    Scanned,
    Status,
    TakenPlace,
    VectorQuery,
)
from imagesearch.errors import ImageSearchError, Unavailable
from imagesearch.filters import Filter
from imagesearch.states import IndexHealth
from imagesearch.writes import Stored

LONGEST_ID = 512
# Half an answer would look like a whole one.
STRICT = {"allow_partial_search_results": "false"}
NO_INDEX = "index_not_found_exception"
# A scan that is left half done costs the server this long.
SCAN_PAUSE = "5m"


class OpenSearchReads:
    """An index that has not been made yet is empty. Pages end at 1,000 hits."""

    def __init__(self, url: str, name: str, dimension: int) -> None:
        self._name = name
        self._dimension = dimension
        self._client = OpenSearchClient(url)
        self._checked = False

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        self._client.close()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._multi_get(ids, WITHOUT_EMBEDDING)
        return {entry["_id"]: stored(entry) for entry in found}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        entries = self._multi_get(ids, {"includes": ["status", EMBEDDING]})
        found = {
            entry["_id"]: _embedding(entry["_source"])
            for entry in entries
            if entry["_source"]["status"] == Status.INDEXED
        }
        return {id: embedding for id, embedding in found.items() if embedding is not None}

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self._dimension)
        return _hits(self._search(nearest(query, vector), preference=same_copy(vector)))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        vectors = [query_vector(query.embedding, self._dimension) for query in queries]
        if not queries:
            return []
        lines = []
        for query, vector in zip(queries, vectors, strict=True):
            header = json.dumps(STRICT | {"preference": same_copy(vector)})
            lines.append(f"{header}\n{nearest(query, vector)}\n")
        body = "".join(lines)
        self._check()
        answer = self._client.read(lambda client: client.msearch(body=body, index=self._name))
        return [_hits(self._found(response)) for response in answer["responses"]]

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
        while hits := self._search(links(collection, after)):
            for hit in hits:
                yield linked(hit["fields"])
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

    def _multi_get(self, ids: Sequence[str], source: Mapping[str, Any]) -> list[Any]:
        possible = [id for id in ids if id.isascii() and 0 < len(id) <= LONGEST_ID]
        if not possible:
            return []
        body = {"docs": [{"_id": id, "_source": source} for id in possible]}
        answer = self._client.read_index(lambda client: client.mget(index=self._name, body=body))
        entries = answer["docs"] if answer else []
        for entry in entries:
            if (error := entry.get("error", {}).get("type", NO_INDEX)) != NO_INDEX:
                raise Unavailable(f"OpenSearch cannot read {entry['_id']}: {error}", "try again")
        return [entry for entry in entries if entry.get("found")]

    def _pages(self, query: dict[str, Any], view: str, embeddings: bool) -> Iterator[Scanned]:
        after: Sequence[Any] | None = None
        while True:
            body = scanning(query, view, SCAN_PAUSE, after, embeddings)
            hits = self._client.read(partial(OpenSearch.search, body=body))["hits"]["hits"]
            for hit in hits:
                yield Scanned(document(hit["_source"]), _embedding(hit["_source"]))
            if not hits:
                return
            after = hits[-1]["sort"]

    def _close_view(self, view: str) -> None:
        """Best effort: the role may not delete anything, and a view closes itself in time."""
        with suppress(ImageSearchError):
            self._client.read(lambda client: client.delete_pit(body={"pit_id": [view]}))

    def _search(self, body: Mapping[str, Any] | str, **params: str) -> list[Any]:
        self._check()
        path = f"/{self._name}/_search?{urlencode(STRICT | params)}"
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self._client.read_index(lambda _: self._client.post(path, text))
        return list(answer["hits"]["hits"]) if answer else []

    def _found(self, response: Mapping[str, Any]) -> list[Any]:
        """The hits of one search among several; some may fail where others do not."""
        error = response.get("error", {})
        if error.get("type", NO_INDEX) != NO_INDEX:
            raise Unavailable(f"OpenSearch cannot search: {error.get('reason')}", "try again")
        return [] if error else list(response["hits"]["hits"])

    def _check(self) -> None:
        """Once: an index of the same name may hold another model's vectors, or no vectors."""
        if not self._checked:
            self._checked = self._client.read(
                lambda client: check_index(client, self._name, self._dimension)
            )


def _hits(found: Sequence[Mapping[str, Any]]) -> list[Hit]:
    return [Hit(document(hit["_source"]), cosine(hit["_score"])) for hit in found]


def _embedding(source: Mapping[str, Any]) -> Embedding | None:
    vector = source.get(EMBEDDING)
    return np.array(vector, np.float32) if vector else None
