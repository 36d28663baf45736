"""Scale benchmark: 500,000 images in one OpenSearch node, with filters from all to 0.01 % of them.

Recall@10, latency, segments, refresh, merge, bytes and memory, as written and merged. Takes an hour
on two cores, 4 GB of disk and 4 GB of memory.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from opensearchpy import OpenSearch

from benchmarks.indexes.synthetic_images import (
    SPAN_SECONDS,
    TAKEN,
    Collection,
    bytes_per_document,
    numbers,
    open_index,
    segments,
    taken_after,
)
from benchmarks.report import Row
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.domain.filters import DateRange
from imagesearch.domain.ports import WriteStatus
from imagesearch.domain.queries import VectorQuery
from local.opensearch.server import VERSION, running_server

IMAGES = 500_000
QUERIES, WARM_UP, LIMIT = 200, 20, 10
WRITE_SIZE = 1000
HEAP = "-Xms1g -Xmx1g"
TITLE = f"{IMAGES:,} images in OpenSearch {VERSION}, 1 GB heap, one node"
SHARES = (1.0, 0.5, 0.01, 0.0001)
LAYOUTS = {
    "lucene 1x": IndexSettings(refresh_interval="30s"),
    "lucene 4x": IndexSettings(compression="4x", refresh_interval="30s"),
}
MERGE_SECONDS = 3600


def measure(count: int = IMAGES) -> Iterator[Row]:
    """Rows of each layout."""
    images = Collection(count, QUERIES)
    taken = np.array([taken_after(number) for number in range(count)])
    with running_server(java_options=HEAP) as url:
        for label, settings in LAYOUTS.items():
            scale = Scale(url, label, settings, images, taken)
            yield from scale.fill()
            yield from scale.searches("as written")
            yield from scale.merge()
            yield from scale.searches("merged")
            scale.drop()


@dataclass
class Scale:
    """One index with all images; `taken` [N] are the seconds after TAKEN that filters select by."""

    url: str
    label: str
    settings: IndexSettings
    images: Collection
    taken: NDArray[np.int64]
    name: str = field(default_factory=lambda: f"bench-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        self._raw: Any = OpenSearch(self.url, timeout=MERGE_SECONDS, max_retries=0)
        self._index: OpenSearchIndex = open_index(self.url, self.name, self.settings)

    def fill(self) -> Iterator[Row]:
        """Write all images; rates of the first and of the last tenth."""
        count, seconds = len(self.taken), []
        for first in range(0, count, WRITE_SIZE):
            puts = self.images.puts(first, min(first + WRITE_SIZE, count))
            started = time.perf_counter()
            while puts:  # a time-out on a busy machine; what was written meanwhile is a conflict
                results = zip(puts, self._index.write(puts), strict=True)
                puts = [put for put, result in results if result.status is WriteStatus.FAILED]
            seconds.append(time.perf_counter() - started)
        tenth = max(1, len(seconds) // 10)
        rates = [WRITE_SIZE * tenth / sum(part) for part in (seconds[:tenth], seconds[-tenth:])]
        started = time.perf_counter()
        self._raw.indices.refresh(index=self.name)
        refreshed = time.perf_counter() - started
        yield Row(
            f"{self.label}: written",
            f"{count / sum(seconds):,.0f} docs/s",
            f"first tenth {rates[0]:,.0f}, last tenth {rates[1]:,.0f}; slowest bulk of"
            f" {WRITE_SIZE:,} {max(seconds):.1f} s; {segments(self._raw, self.name)} segments;"
            f" last refresh {refreshed:.1f} s",
        )
        yield self._memory("as written")

    def merge(self) -> Iterator[Row]:
        """Merge into one segment."""
        started = time.perf_counter()
        self._raw.indices.forcemerge(index=self.name, max_num_segments=1)
        self._raw.indices.refresh(index=self.name)
        size = bytes_per_document(self._raw, self.name)
        yield Row(
            f"{self.label}: merged",
            f"{time.perf_counter() - started:.0f} s",
            f"{size.all:,.0f} B per document: full vector {size.full:,.0f}, short"
            f" {size.short:,.0f}, graph {size.graph:,.0f}",
        )
        yield self._memory("merged")

    def searches(self, state: str) -> Iterator[Row]:
        """Recall@10 and latency with a filter that each share of the images satisfies."""
        for share in SHARES:
            before = share * SPAN_SECONDS
            chosen = np.flatnonzero(self.taken < before)
            date = DateRange("taken_at", lt=TAKEN + timedelta(seconds=before))
            only = date if share < 1 else None
            scores = self.images.queries @ self.images.vectors[chosen].T
            recalls, seconds = [], []
            used = self._cpu_seconds()
            for query, row in zip(self.images.queries, scores, strict=True):
                exact = set(chosen[np.argsort(-row)[:LIMIT]].tolist())
                started = time.perf_counter()
                hits = self._index.search(VectorQuery(query, LIMIT, filter=only))
                seconds.append(time.perf_counter() - started)
                found = numbers(hit.document.ref.key for hit in hits)
                recalls.append(len(exact & found) / len(exact))
            used = self._cpu_seconds() - used
            p50, p99 = np.percentile(np.array(seconds[WARM_UP:]) * 1000, [50, 99])
            yield Row(
                f"{self.label}, {state}, filter {100 * share:g} %",
                f"recall@{LIMIT} {np.mean(recalls):.3f}, p50 {p50:.1f} ms, p99 {p99:.1f} ms",
                f"{len(chosen):,} images satisfy it; {len(seconds) - WARM_UP} queries;"
                f" {1000 * used / len(seconds):.1f} ms of the server's CPU time each",
            )

    def drop(self) -> None:
        """Delete the index."""
        self._index.close()
        self._raw.indices.delete(index=self.name)
        self._raw.close()

    def _memory(self, state: str) -> Row:
        (node,) = self._raw.nodes.stats(metric="jvm,process")["nodes"].values()
        heap = node["jvm"]["mem"]["heap_used_in_bytes"] / 2**20
        pages = self._server().memory_info()
        return Row(
            f"{self.label}, {state}: memory of the server",
            f"{pages.rss / 2**20:,.0f} MB resident",
            f"of which {pages.shared / 2**20:,.0f} MB are pages of mapped files; {heap:,.0f} MB of"
            " heap in use",
        )

    def _cpu_seconds(self) -> float:
        times = self._server().cpu_times()
        return times.user + times.system

    def _server(self) -> psutil.Process:
        info = self._raw.nodes.info(metric="process")["nodes"]
        return psutil.Process(next(iter(info.values()))["process"]["id"])
