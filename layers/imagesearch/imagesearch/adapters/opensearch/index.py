"""The vector index in OpenSearch: records with version numbers, and k-NN over their embeddings."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from opensearchpy import OpenSearch

from imagesearch.adapters.index_records import query_vector
from imagesearch.adapters.opensearch import facets as aggregations
from imagesearch.adapters.opensearch.bulk import PATIENCE_SECONDS, Bulk
from imagesearch.adapters.opensearch.client import BULK_TIMEOUT, OpenSearchClient
from imagesearch.adapters.opensearch.mapping import (
    EMBEDDING,
    IndexSettings,
    check_index,
    ensure_index,
)
from imagesearch.adapters.opensearch.queries import (
    COUNTS,
    ENTRIES_PER_PAGE,
    LINK_PATHS,
    LINKS_PER_PAGE,
    cosine,
    deleted_before,
    entries,
    links,
    listing,
    listing_by_time,
    matching,
    nearest,
    of_content,
    of_ids,
    same_copy,
    scanning,
)
from imagesearch.adapters.opensearch.records import (
    WITHOUT_EMBEDDING,
    bulk_action,
    document,
    embedding,
    index_entry,
    linked,
    removal,
    stored,
)
from imagesearch.domain.errors import ImageSearchError, Unavailable
from imagesearch.domain.facets import FacetCounter, Facets
from imagesearch.domain.folders import CollectionCount
from imagesearch.domain.images import Document, Embedding, IndexEntry, Linked, Scanned, Status
from imagesearch.domain.ports import IndexHealth, Stored, Write, WriteResult, WriteStatus
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TimePosition, VectorQuery

# Partial results would look like complete ones.
STRICT = {"allow_partial_search_results": "false"}
# https://docs.opensearch.org/latest/api-reference/document-apis/index-document/
MAX_ID_BYTES = 512
HASHES_PER_REQUEST = 32
# Ids consist of letters, digits, "-" and "_".
AFTER_EVERY_ID = "~"
SORT_PATHS = "hits.hits.sort"
# A scan that is abandoned holds the server's resources for this long.
PIT_KEEP_ALIVE = "5m"
NO_INDEX = "index_not_found_exception"
# The retention period of the queue: no write that was sent before the deletion is still in flight.
TOMBSTONE_RETENTION = timedelta(days=7)
TOMBSTONE_CLEANUP_INTERVAL = timedelta(days=1)
TOMBSTONES_PER_CLEANUP = 5000
# Between a record and its write its thumbnail is stored; the last request of a bulk and the
# replicas of a shard take time, too.
SETTLING_MARGIN = timedelta(seconds=60)
_log = logging.getLogger(__name__)


class OpenSearchIndex:
    """Implements VectorIndex; may be used by several threads.

    The index is created by the first write, as `settings` describes; until then it is empty. Writes
    are retried for up to `patience` seconds while the server is busy or unavailable. Hits are
    limited to 1,000 for a search over all its pages.
    """

    def __init__(
        self,
        url: str,
        name: str,
        dimension: int,
        *,
        model: str,
        settings: IndexSettings = IndexSettings(),  # noqa: B008 - frozen
        patience: float = PATIENCE_SECONDS,
        settling_margin: timedelta = SETTLING_MARGIN,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._dimension = dimension
        self._model = model
        self._settings = settings
        self._clock = clock
        self._client = OpenSearchClient(url)
        self._bulk = Bulk(self._send_bulk, self._ensure_index, patience)
        self._max_write_time = timedelta(seconds=patience) + settling_margin
        self._checked = False
        self._ensure_lock = threading.Lock()
        self._ensured = False
        self._last_cleanup: datetime | None = None

    @property
    def visibility_delay(self) -> timedelta:
        """A record is made before its write, which may be retried until `patience` is over."""
        return timedelta(seconds=self._settings.refresh_seconds) + self._max_write_time

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._client.close()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        entries = self._multi_get(ids, WITHOUT_EMBEDDING)
        return {entry["_id"]: stored(entry) for entry in entries}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        entries = self._multi_get(ids, {"includes": ["status", EMBEDDING]})
        vectors = {
            entry["_id"]: embedding(entry["_source"])
            for entry in entries
            if entry["_source"]["status"] == Status.INDEXED
        }
        return {id: vector for id, vector in vectors.items() if vector is not None}

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """One search for each hash, many in one request: the number of copies does not matter."""
        distinct = list(dict.fromkeys(hashes))
        scanned: dict[str, Scanned] = {}
        for start in range(0, len(distinct), HASHES_PER_REQUEST):
            scanned |= self._of_content(distinct[start : start + HASHES_PER_REQUEST], decoder)
        return scanned

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self._dimension)
        return _hits(self._search(nearest(query, vector), preference=same_copy(vector)))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        vectors = [query_vector(query.embedding, self._dimension) for query in queries]
        searches = [
            ({"preference": same_copy(vector)}, nearest(query, vector))
            for query, vector in zip(queries, vectors, strict=True)
        ]
        return [_hits(hits) for hits in self._multi_search(searches)]

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        hits = self._search(listing(matching(selection), after, limit))
        return [document(hit["_source"]) for hit in hits]

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        hits = self._search(listing_by_time(matching(selection), after, limit, newest_first))
        return [document(hit["_source"]) for hit in hits]

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        body = {"query": matching(selection)}
        response = self._client.read_index(lambda client: client.count(index=self._name, body=body))
        if response and response["_shards"]["failed"]:
            raise Unavailable(
                "OpenSearch cannot count: a shard of the index is unavailable", "try again"
            )
        return int(response["count"]) if response else 0

    def facets(self, selection: Selection = ALL_DOCUMENTS) -> Facets:
        response = self._aggregated(aggregations.facet_request(selection))
        return aggregations.facets(response) if response else FacetCounter().facets()

    def collections(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        depth: int,
        after: str | None = None,
        limit: int,
    ) -> list[CollectionCount]:
        return aggregations.collections(self._aggregated, selection, depth, after, limit)

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        """Read from a point in time: https://docs.opensearch.org/latest/search-plugins/point-in-time/"""
        query = matching(selection)
        pit = self._client.read_index(
            lambda client: client.create_pit(
                index=self._name, params={"keep_alive": PIT_KEEP_ALIVE}
            )
        )
        if pit:
            try:
                yield from self._scan_pages(query, pit["pit_id"], embeddings)
            finally:
                self._delete_pit(pit["pit_id"])

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        after: Sequence[Any] | None = None
        while hits := self._search(links(collection, after), filter_path=LINK_PATHS):
            for hit in hits:
                yield linked(hit)
            if len(hits) < LINKS_PER_PAGE:
                return
            after = hits[-1]["sort"]

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        """Without a point in time: the pages are newer, and a caller may continue days later."""
        position: Sequence[Any] | None = [after, AFTER_EVERY_ID] if after else None
        while hits := self._search(entries(position), filter_path=LINK_PATHS):
            for hit in hits:
                yield index_entry(hit)
            if len(hits) < ENTRIES_PER_PAGE:
                return
            position = hits[-1]["sort"]

    def keys_of_ids(self, prefix: str) -> list[str]:
        return [hit["sort"][0] for hit in self._search(of_ids(prefix), filter_path=SORT_PATHS)]

    def health(self) -> IndexHealth:
        """The status is never red: the search that counts fails first, with Unavailable."""
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

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        if not writes:
            return []
        with self._ensure_lock:
            if not self._ensured:
                self._ensure_index()
        now = self._clock()
        results: dict[int, WriteResult] = {}
        actions: dict[int, str] = {}
        for number, write in enumerate(writes):
            try:
                actions[number] = bulk_action(write, self._dimension, now)
            except (ValueError, TypeError, OverflowError) as error:
                reason = f"the index cannot store this record: {error}"
                results[number] = WriteResult(WriteStatus.FAILED, reason)
        results.update(zip(actions, self._bulk.write(list(actions.values())), strict=True))
        ordered = [results[number] for number in range(len(writes))]
        if any(result.status is WriteStatus.WRITTEN for result in ordered):
            self._clean_up(now)
        return ordered

    def delete_tombstones(self) -> int:
        """Delete the entries of images deleted before TOMBSTONE_RETENTION; returns their number."""
        oldest = self._clock() - TOMBSTONE_RETENTION
        expired = self._search(deleted_before(oldest, TOMBSTONES_PER_CLEANUP))
        results = self._bulk.write([removal(entry) for entry in expired])
        return sum(result.status is WriteStatus.WRITTEN for result in results)

    def drop(self) -> None:
        """The template goes last: a write in flight would recreate the index without it."""
        self._client.read_index(lambda client: client.indices.delete(index=self._name))
        self._client.read(
            lambda client: client.indices.delete_index_template(name=self._name, ignore=404)
        )

    def _check(self) -> None:
        """Once: an index of the same name may hold another model's vectors, or no vectors."""
        if not self._checked:
            self._checked = self._client.read(
                lambda client: check_index(client, self._name, self._dimension)
            )

    def _search(self, body: Mapping[str, Any] | str, **params: str) -> list[Any]:
        """The raw hits; none while the index has not been created."""
        self._check()
        path = f"/{self._name}/_search?{urlencode(STRICT | params)}"
        text = body if isinstance(body, str) else json.dumps(body)
        response = self._client.read_index(lambda _: self._client.post(path, text))
        return list(response["hits"]["hits"]) if response else []

    def _aggregated(self, body: dict[str, Any]) -> Mapping[str, Any] | None:
        """The response to a search for aggregations; None while the index has not been created."""
        self._check()
        response: Mapping[str, Any] | None = self._client.read_index(
            lambda client: client.search(index=self._name, body=body, params=STRICT)
        )
        return response

    def _multi_search(self, searches: Sequence[tuple[Mapping[str, str], str]]) -> list[list[Any]]:
        """The raw hits of each search, given as its header and body, from one request."""
        if not searches:
            return []
        body = "".join(f"{json.dumps({**STRICT, **header})}\n{text}\n" for header, text in searches)
        self._check()
        response = self._client.read(lambda client: client.msearch(body=body, index=self._name))
        return [_hits_of(response) for response in response["responses"]]

    def _multi_get(self, ids: Sequence[str], source: Mapping[str, Any]) -> list[Any]:
        possible = [id for id in ids if id.isascii() and 0 < len(id) <= MAX_ID_BYTES]
        if not possible:
            return []
        body = {"docs": [{"_id": id, "_source": source} for id in possible]}
        response = self._client.read_index(lambda client: client.mget(index=self._name, body=body))
        entries = response["docs"] if response else []
        for entry in entries:
            if (error := entry.get("error", {}).get("type", NO_INDEX)) != NO_INDEX:
                raise Unavailable(f"OpenSearch cannot read {entry['_id']}: {error}", "try again")
        return [entry for entry in entries if entry.get("found")]

    def _of_content(self, hashes: Sequence[str], decoder: str) -> dict[str, Scanned]:
        searches: list[tuple[Mapping[str, str], str]] = [
            ({}, json.dumps(of_content(sha256, decoder))) for sha256 in hashes
        ]
        scanned: dict[str, Scanned] = {}
        for sha256, hits in zip(hashes, self._multi_search(searches), strict=True):
            for source in (hit["_source"] for hit in hits):
                if (vector := embedding(source)) is not None:
                    scanned[sha256] = Scanned(document(source), vector)
        return scanned

    def _scan_pages(self, query: dict[str, Any], pit: str, embeddings: bool) -> Iterator[Scanned]:
        after: Sequence[Any] | None = None
        while True:
            body = scanning(query, pit, PIT_KEEP_ALIVE, after, embeddings)
            hits = self._client.read(partial(OpenSearch.search, body=body))["hits"]["hits"]
            for hit in hits:
                yield Scanned(document(hit["_source"]), embedding(hit["_source"]))
            if not hits:
                return
            after = hits[-1]["sort"]

    def _delete_pit(self, pit: str) -> None:
        """Best effort: a point in time expires."""
        with suppress(ImageSearchError):
            self._client.read(lambda client: client.delete_pit(body={"pit_id": [pit]}))

    def _send_bulk(self, body: str) -> Mapping[str, Any]:
        """The index is in the path, where the access policy of a domain can see it."""
        response: Mapping[str, Any] = self._client.raw.bulk(
            index=self._name, body=body, params={"request_timeout": BULK_TIMEOUT}
        )
        return response

    def _ensure_index(self) -> None:
        with self._client.errors():
            ensure_index(self._client.raw, self._name, self._dimension, self._model, self._settings)
        self._ensured = True

    def _clean_up(self, now: datetime) -> None:
        """The writer cleans up, so that no further component has to be deployed and monitored."""
        if self._last_cleanup and now - self._last_cleanup < TOMBSTONE_CLEANUP_INTERVAL:
            return
        self._last_cleanup = now
        try:
            self.delete_tombstones()
        except ImageSearchError as error:
            _log.warning("expired deletions are kept for another day: %s", error.message)


def _hits(found: Sequence[Mapping[str, Any]]) -> list[Hit]:
    return [Hit(document(hit["_source"]), cosine(hit["_score"])) for hit in found]


def _hits_of(response: Mapping[str, Any]) -> list[Any]:
    """The raw hits of one search of several, each of which may fail on its own."""
    error = response.get("error", {})
    if error.get("type", NO_INDEX) != NO_INDEX:
        raise Unavailable(f"OpenSearch cannot search: {error.get('reason')}", "try again")
    return [] if error else list(response["hits"]["hits"])
