"""A vector index in OpenSearch: records with version numbers, and k-NN by HNSW in Lucene."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from imagesearch.adapters.opensearch_bulk import PATIENCE_SECONDS, Bulk
from imagesearch.adapters.opensearch_client import BULK_TIMEOUT, OpenSearchClient
from imagesearch.adapters.opensearch_queries import COUNTS, cosine, listing, nearest, same_copy
from imagesearch.adapters.opensearch_records import (
    WITHOUT_EMBEDDING,
    bulk_action,
    document,
    stored,
)
from imagesearch.adapters.opensearch_schema import EMBEDDING, ensure_index
from imagesearch.adapters.unit_vectors import query_vector
from imagesearch.domain import (
    Document,
    Embedding,
    Hit,
    IndexHealth,
    Status,
    Stored,
    VectorQuery,
    Write,
    WriteResult,
    WriteStatus,
)
from imagesearch.errors import Unavailable

LONGEST_ID = 512
# Half an answer would look like a whole one.
STRICT = {"allow_partial_search_results": "false"}


class OpenSearchIndex:
    """The index is made at the first write; until then it is empty. Pages end at 1,000 hits.

    `patience` is for how many seconds writes are repeated while the server is busy or away.
    """

    def __init__(
        self,
        url: str,
        name: str,
        dimension: int,
        *,
        model: str,
        refresh_interval: str = "1s",
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._dimension = dimension
        self._model = model
        self._refresh_interval = refresh_interval
        self._clock = clock
        self._client = OpenSearchClient(url)
        self._bulk = Bulk(self._send, self._make_index, patience)
        self._making = threading.Lock()
        self._made = False

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        self._client.close()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._multi_get(ids, WITHOUT_EMBEDDING)
        return {entry["_id"]: stored(entry) for entry in found}

    def embedding(self, id: str) -> Embedding | None:
        for entry in self._multi_get([id], {"includes": ["status", EMBEDDING]}):
            source = entry["_source"]
            if source["status"] == Status.INDEXED and source.get(EMBEDDING):
                return np.array(source[EMBEDDING], np.float32)
        return None

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        if not writes:
            return []
        with self._making:
            if not self._made:
                self._make_index()
        now = self._clock()
        results: dict[int, WriteResult] = {}
        actions: dict[int, str] = {}
        for number, write in enumerate(writes):
            try:
                actions[number] = bulk_action(write, self._name, self._dimension, now)
            except ValueError as error:
                results[number] = WriteResult(WriteStatus.FAILED, str(error))
        results.update(zip(actions, self._bulk.write(list(actions.values())), strict=True))
        return [results[number] for number in range(len(writes))]

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self._dimension)
        hits = self._search(nearest(query, vector), preference=same_copy(vector))
        return [Hit(document(hit["_source"]), cosine(hit["_score"])) for hit in hits]

    def list_documents(
        self, *, status: Status | None, collection: str | None, after: str | None, limit: int
    ) -> list[Document]:
        hits = self._search(listing(status, collection, after, limit))
        return [document(hit["_source"]) for hit in hits]

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
            error = entry.get("error", {}).get("type", "index_not_found_exception")
            if error != "index_not_found_exception":
                raise Unavailable(f"OpenSearch cannot read {entry['_id']}: {error}", "try again")
        return [entry for entry in entries if entry.get("found")]

    def _search(self, body: Mapping[str, Any], **params: str) -> list[Any]:
        answer = self._client.read_index(
            lambda client: client.search(index=self._name, body=body, params=STRICT | params)
        )
        return list(answer["hits"]["hits"]) if answer else []

    def _send(self, body: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._client.raw.bulk(
            body=body, params={"request_timeout": BULK_TIMEOUT}
        )
        return answer

    def _make_index(self) -> None:
        with self._client.errors():
            ensure_index(
                *(self._client.raw, self._name, self._dimension),
                model=self._model,
                refresh_interval=self._refresh_interval,
            )
        self._made = True
