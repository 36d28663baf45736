"""OpenSearch benchmark: bulk writes and storage, then search, on a server started for it.

The adapter's bulk is compared with helpers.bulk of opensearch-py: both write the same documents to
new indexes with the same mapping, in turns.
"""

import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from opensearchpy import OpenSearch, helpers

from benchmarks.indexes import opensearch_search
from benchmarks.indexes.synthetic_images import (
    DIMENSION,
    bytes_per_document,
    collection,
    create_index,
    open_index,
)
from benchmarks.report import Row
from imagesearch.adapters.index_records import to_record
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.domain.folders import folders
from imagesearch.domain.ports import Put
from local.opensearch.server import VERSION, running_server

TITLE = f"OpenSearch {VERSION}, 512 MB heap, one node"
MERGE_SECONDS = 900
DOCUMENTS = 2000
ROUNDS = 6
Write: TypeAlias = Callable[[Any, list[Put]], tuple[float, float]]
DERIVED = "index.knn.derived_source.enabled"


def measure() -> Iterator[Row]:
    """Takes some minutes."""
    with running_server() as url:
        raw = OpenSearch(url, timeout=MERGE_SECONDS, max_retries=0)
        yield from measure_writes(url, raw)
        yield from opensearch_search.measure(url, raw)
        raw.close()


def measure_writes(url: str, raw: Any) -> Iterator[Row]:
    puts = collection(DOCUMENTS, 0).puts(0, DOCUMENTS)
    ours: Write = partial(_ours, url)
    theirs: Write = _theirs
    ratios, rates, ours_cpu, theirs_cpu = [], [], [], []
    for number in range(ROUNDS):
        pair = [ours, theirs] if number % 2 else [theirs, ours]
        taken = {write: write(raw, puts) for write in pair}
        ratios.append(taken[theirs][0] / taken[ours][0])
        rates.append(DOCUMENTS / taken[ours][0])
        ours_cpu.append(taken[ours][1] / DOCUMENTS * 1000)
        theirs_cpu.append(taken[theirs][1] / DOCUMENTS * 1000)
    middle = statistics.median
    yield Row(
        "bulk, compared with helpers.bulk",
        f"ratio {middle(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{middle(rates):.0f} docs/s; client CPU per document {middle(ours_cpu):.2f} ms,"
        f" theirs {middle(theirs_cpu):.2f}; {ROUNDS} x {DOCUMENTS} in turns",
    )
    for derived in (True, False):
        content = "without the vector" if derived else "with the vector"
        yield Row(f"_source {content}", f"{_stored(url, raw, puts, derived):,.0f} B per document")


def _ours(url: str, raw: Any, puts: list[Put]) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process."""
    name = f"bench-{uuid.uuid4().hex}"
    index = open_index(url, name)
    index.write(puts[:1])
    started, cpu = time.perf_counter(), time.process_time()
    results = index.write(puts[1:])
    taken = time.perf_counter() - started, time.process_time() - cpu
    assert {result.status for result in results} == {"written"}
    index.close()
    raw.indices.delete(index=name)
    return taken


def _theirs(raw: Any, puts: list[Put]) -> tuple[float, float]:
    name = f"bench-{uuid.uuid4().hex}"
    create_index(raw, name, IndexSettings())
    sources = [_source(put) for put in puts]
    actions = (
        source | {"_op_type": "create", "embedding": put.embedding.tolist()}
        for source, put in zip(sources, puts, strict=True)
        if put.embedding is not None
    )
    helpers.bulk(raw, [next(actions)], index=name)
    started, cpu = time.perf_counter(), time.process_time()
    written, _ = helpers.bulk(raw, actions, index=name)
    taken = time.perf_counter() - started, time.process_time() - cpu
    assert written == len(puts) - 1
    raw.indices.delete(index=name)
    return taken


def _source(put: Put) -> dict[str, Any]:
    record = to_record(put.document)
    extra = {"_id": put.ref.id, "folders": folders(put.ref.key), "metadata": [record["metadata"]]}
    return record | extra


def _stored(url: str, raw: Any, puts: list[Put], derived: bool) -> float:
    name = f"bench-{uuid.uuid4().hex}"
    create_index(raw, name, IndexSettings(), **{DERIVED: derived})
    index = OpenSearchIndex(url, name, DIMENSION, model="bench")
    index.write(puts)
    index.close()
    raw.indices.forcemerge(index=name, max_num_segments=1)
    raw.indices.refresh(index=name)
    size = bytes_per_document(raw, name).all
    raw.indices.delete(index=name)
    return size
