"""A vector index in OpenSearch: records with version numbers, and k-NN over their embeddings.

One index of an OpenSearch server: how it is asked, once it is known to be ours.

An index in OpenSearch without its vectors: listed, counted, scanned, and how it is.

How an index in OpenSearch is read by ids and by vectors: records, embeddings, k-NN searches.
"""

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
    LINK_PATHS,
    LINKS_AT_A_TIME,
    cosine,
    deleted_before,
    links,
    listing,
    listing_by_time,
    matching,
    nearest,
    of_content,
    same_copy,
    scanning,
)
from imagesearch.adapters.opensearch.records import (
    WITHOUT_EMBEDDING,
    bulk_action,
    document,
    embedding,
    linked,
    removal,
    stored,
)
from imagesearch.domain.errors import ImageSearchError, Unavailable
from imagesearch.domain.images import Document, Embedding, Linked, Scanned, Status
from imagesearch.domain.ports import IndexHealth, Stored, Write, WriteResult, WriteStatus
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TakenPlace, VectorQuery

# Half an answer would look like a whole one.
STRICT = {"allow_partial_search_results": "false"}


class OpenSearchAsking:
    """An index that has not been made yet is empty."""

    def __init__(self, url: str, name: str, dimension: int) -> None:
        self._name = name
        self._dimension = dimension
        self._client = OpenSearchClient(url)
        self._checked = False

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        self._client.close()

    def _search(self, body: Mapping[str, Any] | str, **params: str) -> list[Any]:
        self._check()
        path = f"/{self._name}/_search?{urlencode(STRICT | params)}"
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self._client.read_index(lambda _: self._client.post(path, text))
        return list(answer["hits"]["hits"]) if answer else []

    def _check(self) -> None:
        """Once: an index of the same name may hold another model's vectors, or no vectors."""
        if not self._checked:
            self._checked = self._client.read(
                lambda client: check_index(client, self._name, self._dimension)
            )


# A scan that is left half done costs the server this long.
SCAN_PAUSE = "5m"


class OpenSearchLists(OpenSearchAsking):
    """What the index says of the images, whatever their vectors."""

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
        after: TakenPlace | None = None,
        limit: int,
    ) -> list[Document]:
        query = matching(selection)
        hits = self._search(listing_by_time(query, after, limit, newest_first))
        return [document(hit["_source"]) for hit in hits]

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        body = {"query": matching(selection)}
        answer = self._client.read_index(lambda client: client.count(index=self._name, body=body))
        if answer and answer["_shards"]["failed"]:
            raise Unavailable("OpenSearch cannot count: a part of the index is away", "try again")
        return int(answer["count"]) if answer else 0

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        query = matching(selection)
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


LONGEST_ID = 512
HASHES_AT_A_TIME = 32
NO_INDEX = "index_not_found_exception"


class OpenSearchReads(OpenSearchLists):
    """Pages of searches end at 1,000 hits."""

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._multi_get(ids, WITHOUT_EMBEDDING)
        return {entry["_id"]: stored(entry) for entry in found}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        entries = self._multi_get(ids, {"includes": ["status", EMBEDDING]})
        found = {
            entry["_id"]: embedding(entry["_source"])
            for entry in entries
            if entry["_source"]["status"] == Status.INDEXED
        }
        return {id: vector for id, vector in found.items() if vector is not None}

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """A search for each hash, many in one request: many copies cost no more than one."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, Scanned] = {}
        for start in range(0, len(wanted), HASHES_AT_A_TIME):
            found |= self._of_content(wanted[start : start + HASHES_AT_A_TIME], decoder)
        return found

    def _of_content(self, wanted: Sequence[str], decoder: str) -> dict[str, Scanned]:
        answers = self._multi_search(
            [({}, json.dumps(of_content(each, decoder))) for each in wanted]
        )
        found: dict[str, Scanned] = {}
        for sha256, hits in zip(wanted, answers, strict=True):
            for source in (hit["_source"] for hit in hits):
                if (vector := embedding(source)) is not None:
                    found[sha256] = Scanned(document(source), vector)
        return found

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self._dimension)
        return _hits(self._search(nearest(query, vector), preference=same_copy(vector)))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        vectors = [query_vector(query.embedding, self._dimension) for query in queries]
        searches = [
            ({"preference": same_copy(vector)}, nearest(query, vector))
            for query, vector in zip(queries, vectors, strict=True)
        ]
        return [_hits(found) for found in self._multi_search(searches)]

    def _multi_search(self, searches: Sequence[tuple[Mapping[str, str], str]]) -> list[list[Any]]:
        """The hits of each search, given by its header and body; all are asked at once."""
        if not searches:
            return []
        body = "".join(f"{json.dumps({**STRICT, **header})}\n{text}\n" for header, text in searches)
        self._check()
        answer = self._client.read(lambda client: client.msearch(body=body, index=self._name))
        return [self._found(response) for response in answer["responses"]]

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

    def _found(self, response: Mapping[str, Any]) -> list[Any]:
        """The hits of one search among several; some may fail where others do not."""
        error = response.get("error", {})
        if error.get("type", NO_INDEX) != NO_INDEX:
            raise Unavailable(f"OpenSearch cannot search: {error.get('reason')}", "try again")
        return [] if error else list(response["hits"]["hits"])


def _hits(found: Sequence[Mapping[str, Any]]) -> list[Hit]:
    return [Hit(document(hit["_source"]), cosine(hit["_score"])) for hit in found]


# As long as the queue keeps a message: no write that was sent before the deletion is under way.
DELETIONS_KEPT = timedelta(days=7)
# Between a record and its write, what is made of the image is put away; the last request of a bulk
# takes its time, and so do the copies of a shard.
SETTLING_MARGIN = timedelta(seconds=60)
FORGET_EVERY = timedelta(days=1)
FORGET_AT_ONCE = 5000
_log = logging.getLogger(__name__)


class OpenSearchIndex(OpenSearchReads):
    """The index is made at the first write, as `layout` says; until then it is empty.

    `patience` is for how many seconds writes are repeated while the server is busy or away.
    """

    def __init__(
        self,
        url: str,
        name: str,
        dimension: int,
        *,
        model: str,
        layout: IndexSettings = IndexSettings(),  # noqa: B008 - frozen
        patience: float = PATIENCE_SECONDS,
        settling_margin: timedelta = SETTLING_MARGIN,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(url, name, dimension)
        self._model = model
        self._layout = layout
        self._clock = clock
        self._longest_write = timedelta(seconds=patience) + settling_margin
        self._bulk = Bulk(self._send, self._make_index, patience)
        self._making = threading.Lock()
        self._made = False
        self._forgot: datetime | None = None

    @property
    def visibility_delay(self) -> timedelta:
        """A record is made before its write, which may be repeated while patience lasts."""
        return timedelta(seconds=self._layout.refresh_seconds) + self._longest_write

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
            except (ValueError, TypeError, OverflowError) as error:
                reason = f"the index cannot hold this record: {error}"
                results[number] = WriteResult(WriteStatus.FAILED, reason)
        results.update(zip(actions, self._bulk.write(list(actions.values())), strict=True))
        ordered = [results[number] for number in range(len(writes))]
        if any(result.status is WriteStatus.WRITTEN for result in ordered):
            self._forget_now_and_then(now)
        return ordered

    def forget_deletions(self) -> int:
        """Remove what deleted images left behind longer ago than anything can come late."""
        old = self._search(deleted_before(self._clock() - DELETIONS_KEPT, FORGET_AT_ONCE))
        results = self._bulk.write([removal(self._name, entry) for entry in old])
        return sum(result.status is WriteStatus.WRITTEN for result in results)

    def drop(self) -> None:
        """The template goes last: a write on its way would bring back an index of another kind."""
        self._client.read_index(lambda client: client.indices.delete(index=self._name))
        self._client.read(
            lambda client: client.indices.delete_index_template(name=self._name, ignore=404)
        )

    def _forget_now_and_then(self, now: datetime) -> None:
        """Whoever writes tidies up, so that nothing else has to be deployed and watched."""
        if self._forgot and now - self._forgot < FORGET_EVERY:
            return
        self._forgot = now
        try:
            self.forget_deletions()
        except ImageSearchError as error:
            _log.warning("old deletions stay for another day: %s", error.message)

    def _send(self, body: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._client.raw.bulk(
            body=body, params={"request_timeout": BULK_TIMEOUT}
        )
        return answer

    def _make_index(self) -> None:
        with self._client.errors():
            ensure_index(self._client.raw, self._name, self._dimension, self._model, self._layout)
        self._made = True
