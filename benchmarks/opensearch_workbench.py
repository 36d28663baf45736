"""Indexes to measure in: made as the adapter makes them, and what they take on disk."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.synthetic_images import DIMENSION
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import index_body
from imagesearch.adapters.opensearch_layout import IndexLayout

# Lucene's files: full vectors, quantised vectors, graph, and what belongs to them.
VECTOR_FILES = ("vec", "vemf", "veq", "vemq", "vex", "vem")


class Bytes(NamedTuple):
    """Bytes a document: everything, and what full vectors, short vectors and graph take of it."""

    all: float
    full: float
    short: float
    graph: float


def opened(url: str, name: str, layout: IndexLayout | None = None) -> OpenSearchIndex:
    return OpenSearchIndex(url, name, DIMENSION, model="bench", layout=layout or IndexLayout())


def make_bare(raw: Any, name: str, layout: IndexLayout, **settings: Any) -> None:
    """The index that the adapter would make, with other settings added."""
    body = index_body({"space": name, "dimension": DIMENSION, "model": "bench"}, layout)
    raw.indices.create(index=name, body=body | {"settings": body["settings"] | settings})


def bytes_a_document(raw: Any, name: str) -> Bytes:
    raw.indices.flush(index=name)
    answer = raw.indices.stats(index=name, params={"include_segment_file_sizes": "true"})
    total = answer["_all"]["primaries"]
    count, files = total["docs"]["count"], total["segments"]["file_sizes"]
    return Bytes(
        total["store"]["size_in_bytes"] / count,
        _size(files, "vec") / count,
        _size(files, "veq") / count,
        _size(files, "vex") / count,
    )


def segments(raw: Any, name: str) -> int:
    answer = raw.indices.stats(index=name, metric="segments")
    return int(answer["_all"]["primaries"]["segments"]["count"])


def _size(files: Mapping[str, Any], kind: str) -> int:
    found = files.get(kind, {})
    return int(found.get("size_in_bytes", 0))
