"""The cost of a search among 100,000 labels without embedding, on both indexes.

The vectors are synthetic: the time depends on their number and distribution, not on their meaning.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from opensearchpy import OpenSearch

from benchmarks.indexes.synthetic_images import DIMENSION, Collection
from benchmarks.report import Row, percentiles
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.classification.classifier import NEAREST_LABELS
from imagesearch.classification.label_records import collection_of, label_record, set_record
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder, Prompts
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import Put, VectorIndex
from local.opensearch.server import VERSION, running_server

TITLE = "100,000 labels"
COUNT, QUERIES, WARM_UP, WRITE_SIZE = 100_000, 200, 10, 500
NAME, GENERATION = "bench", "one"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MERGE_SECONDS = 1_200


class _NoTexts:
    model = "bench"

    def encode_texts(self, texts: object) -> Embedding:
        raise AssertionError(f"vectors are synthetic: cannot embed {texts}")


def measure() -> Iterator[Row]:
    labels = Collection(COUNT, QUERIES)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteIndex(Path(folder) / "index.db", NAME, DIMENSION)) as sqlite,
    ):
        yield from _measure("SQLite", sqlite, labels, settle=lambda: None)
    with running_server() as url:
        raw = OpenSearch(url, timeout=MERGE_SECONDS, max_retries=0)
        with closing(OpenSearchIndex(url, NAME, DIMENSION, model="bench")) as opensearch:
            yield from _measure(
                f"OpenSearch {VERSION}",
                opensearch,
                labels,
                settle=lambda: raw.indices.forcemerge(index=NAME, max_num_segments=1),
            )


def _measure(
    name: str, index: VectorIndex, labels: Collection, settle: Callable[[], object]
) -> Iterator[Row]:
    collection = collection_of(NAME, GENERATION)
    index.write([Put(set_record(NAME, GENERATION, "bench", NOW), None, None)])
    for start in range(0, COUNT, WRITE_SIZE):
        numbers = range(start, start + WRITE_SIZE)
        records = [label_record(collection, f"label {number}", "bench", NOW) for number in numbers]
        vectors = labels.vectors[start : start + WRITE_SIZE]
        index.write([Put(*each, None) for each in zip(records, vectors, strict=True)])
    settle()
    sets = LabelSets(lambda: index, LabelEncoder(_NoTexts(), Prompts()))
    sets.nearest(NAME, labels.queries[0], 1)
    seconds, results = [], []
    for query in labels.queries:
        started = time.perf_counter()
        results.append(sets.nearest(NAME, query, NEAREST_LABELS))
        seconds.append(time.perf_counter() - started)
    how = f"{QUERIES} searches for the nearest {NEAREST_LABELS:,} of {COUNT:,}, of one set"
    yield Row(f"{name}: label search", percentiles(seconds[WARM_UP:]), how)
    exact = labels.nearest(COUNT, 10)
    firsts = [{int(label.split()[1]) for label, _ in each[:10]} for each in results]
    recall = np.mean([len(a & b) / 10 for a, b in zip(firsts, exact, strict=True)])
    yield Row(f"{name}: recall@10", f"{recall:.3f}", "compared with exact search")
