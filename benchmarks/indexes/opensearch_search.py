"""Recall and latency of OpenSearch searches, and bytes per document on disk.

For each set of index settings at two sizes, as written and merged into one segment.
"""

import http.client
import json
import operator
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import numpy as np

from benchmarks.indexes.synthetic_images import (
    bytes_per_document,
    collection,
    numbers,
    open_index,
    segments,
)
from benchmarks.report import Row, percentiles
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.adapters.opensearch.queries import nearest
from imagesearch.domain.queries import VectorQuery

SIZES = (20_000, 100_000)
QUERIES = 100
LIMIT = 10
PAIRS = 200
ROUNDS = 3
WARM_UP = 10
WRITE_SIZE = 1000
Pair: TypeAlias = tuple[list[float], list[float]]
# Faiss only with exact search: the test server lacks the native library for its graphs.
LAYOUTS = {
    "lucene 1x": IndexSettings(refresh_interval="30s"),
    "lucene 4x on disk": IndexSettings(compression="4x", refresh_interval="30s"),
    "faiss, exact": IndexSettings("faiss", refresh_interval="30s", exact=True),
}


def measure(url: str, raw: Any) -> Iterator[Row]:
    for label, settings in LAYOUTS.items():
        name = f"bench-{uuid.uuid4().hex}"
        index = open_index(url, name, settings)
        start = 0
        for size in SIZES:
            rate = _fill(index, start, size)
            start = size
            raw.indices.refresh(index=name)
            how = f"{rate:.0f} docs/s, {segments(raw, name)} segments"
            yield _row(f"{label}, {size:,}, as written", index, raw, name, size, how)
            if not settings.exact:
                seconds = _merge(raw, name)
                yield _row(
                    f"{label}, {size:,}, merged", index, raw, name, size, f"in {seconds:.0f} s"
                )
            if label == "lucene 1x" and size == SIZES[0]:
                yield _overhead(url, raw, name, index)
        _merge(raw, name)
        taken = bytes_per_document(raw, name)
        yield Row(
            f"{label}: on disk",
            f"{taken.all:,.0f} B per document",
            f"full vector {taken.full:,.0f}, short {taken.short:,.0f}, graph {taken.graph:,.0f}",
        )
        index.close()
        raw.indices.delete(index=name)


def _fill(index: OpenSearchIndex, start: int, end: int) -> float:
    """Images per second."""
    images, seconds = collection(SIZES[-1], QUERIES), 0.0
    for first in range(start, end, WRITE_SIZE):
        puts = images.puts(first, first + WRITE_SIZE)
        started = time.perf_counter()
        results = index.write(puts)
        seconds += time.perf_counter() - started
        assert {result.status for result in results} == {"written"}
    return (end - start) / seconds


def _merge(raw: Any, name: str) -> float:
    started = time.perf_counter()
    raw.indices.forcemerge(index=name, max_num_segments=1)
    raw.indices.refresh(index=name)
    return time.perf_counter() - started


def _row(label: str, index: OpenSearchIndex, raw: Any, name: str, size: int, how: str) -> Row:
    """With k = 1,000 as the adapter searches, and with k = 10."""

    def ask(query: VectorQuery) -> set[int]:
        return numbers(hit.document.ref.key for hit in index.search(query))

    def ask_for_ten(query: VectorQuery) -> set[int]:
        response = raw.search(index=name, body=nearest(query, query.embedding, LIMIT))
        return numbers(hit["_source"]["key"] for hit in response["hits"]["hits"])

    recall, seconds = _quality(size, ask)
    lower, sooner = _quality(size, ask_for_ten)
    p50 = statistics.median(sooner) * 1000
    value = f"recall@10 {recall:.3f}, {percentiles(seconds)}"
    return Row(label, value, f"{how}; with k = 10: {lower:.3f}, {p50:.1f} ms")


def _quality(size: int, ask: Callable[[VectorQuery], set[int]]) -> tuple[float, list[float]]:
    """Recall@10 among the first `size` images, and the seconds of each query."""
    images = collection(SIZES[-1], QUERIES)
    exact, recalls, seconds = images.nearest(size, LIMIT), [], []
    order = np.random.default_rng(0).permutation(QUERIES).tolist()
    for number in [*order[:WARM_UP], *order]:
        query = VectorQuery(images.queries[number], LIMIT)
        started = time.perf_counter()
        hits = ask(query)
        seconds.append(time.perf_counter() - started)
        recalls.append(len(exact[number] & hits) / LIMIT)
    return statistics.fmean(recalls[WARM_UP:]), seconds[WARM_UP:]


def _overhead(url: str, raw: Any, name: str, index: OpenSearchIndex) -> Row:
    """Each query twice, in turns: through the adapter, and its body on a bare connection.

    Reports the median of the differences, which is robust against other load on the machine.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    bare = partial(_search_bare, connection, name)
    before = _searches(raw, name)
    rounds = [_in_turns(index, bare) for _ in range(ROUNDS)]
    connection.close()
    assert _searches(raw, name) - before == 2 * PAIRS * ROUNDS
    more = [1000 * statistics.median(map(operator.sub, *taken)) for taken in rounds]
    ours, theirs = (list(chain.from_iterable(part)) for part in zip(*rounds, strict=True))
    return Row(
        "search, compared with a bare _search",
        f"{statistics.median(more):+.2f} ms at the median ({min(more):+.2f} to {max(more):+.2f})",
        f"{percentiles(ours)}, bare {percentiles(theirs)}; {ROUNDS} x {PAIRS} pairs,"
        " one request each",
    )


def _in_turns(index: OpenSearchIndex, bare: Callable[[bytes], object]) -> Pair:
    """Seconds of each search: through the adapter, and on the bare connection."""
    vectors = collection(SIZES[-1], QUERIES).queries
    taken: Pair = ([], [])
    for number in range(PAIRS):
        query = VectorQuery(vectors[number % QUERIES], LIMIT)
        body = nearest(query, query.embedding).encode()
        asks: list[Callable[[], object]] = [partial(index.search, query), partial(bare, body)]
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            asks[which]()
            taken[which].append(time.perf_counter() - started)
    return taken


def _search_bare(connection: http.client.HTTPConnection, name: str, body: bytes) -> object:
    connection.request("POST", f"/{name}/_search", body, {"content-type": "application/json"})
    return json.loads(connection.getresponse().read())


def _searches(raw: Any, name: str) -> int:
    stats = raw.indices.stats(index=name, metric="search")
    return int(stats["_all"]["primaries"]["search"]["query_total"])
