"""What OpenSearch is asked: k-NN searches, listings, counts."""

import hashlib
from typing import Any

import numpy as np

from imagesearch.adapters.opensearch_records import WITHOUT_EMBEDDING
from imagesearch.adapters.opensearch_schema import EMBEDDING
from imagesearch.domain import Embedding, Position, Status, VectorQuery

# Every page asks for as many neighbours as the deepest page reaches: HNSW finds other ones for
# another k, and pages would then repeat and miss hits. Of 20,000 images it takes 6 to 9 ms, and
# 3 to 6 for k = 100.
NEIGHBOURS = 1000
COUNTS = {"size": 0, "aggs": {"statuses": {"terms": {"field": "status"}}}}
_RECORDS = {"_source": WITHOUT_EMBEDDING, "track_total_hits": False}


def nearest(query: VectorQuery, vector: Embedding) -> dict[str, Any]:
    """The body of a k-NN search; the filter is applied while the graph is walked, not after."""
    knn = {"vector": vector.tolist(), "k": NEIGHBOURS, "filter": _filter(query)}
    body = {
        "query": {"knn": {EMBEDDING: knn}},
        "sort": [{"_score": "desc"}, {"id": "asc"}],
        "size": query.limit,
        **_RECORDS,
    }
    return body | ({"search_after": _sort_values(query.after)} if query.after else {})


def same_copy(vector: Embedding) -> str:
    """Sends all pages of a query to one copy of the shard: another copy has another graph."""
    return hashlib.sha256(vector.tobytes()).hexdigest()[:16]


def listing(
    status: Status | None, collection: str | None, after: str | None, limit: int
) -> dict[str, Any]:
    filters: list[dict[str, Any]] = [{"terms": {"status": [status] if status else list(Status)}}]
    if collection is not None:
        filters.append({"term": {"collection": collection}})
    body = {
        "query": {"bool": {"filter": filters}},
        "sort": [{"key": "asc"}],
        "size": limit,
        **_RECORDS,
    }
    return body | ({"search_after": [after]} if after is not None else {})


def cosine(score: float) -> float:
    """Lucene's score is (1 + cos) / 2 as float32: taken so, the way back to it is exact."""
    return float(2 * np.float64(np.float32(score)) - 1)


def _sort_values(after: Position) -> list[Any]:
    return [(after.score + 1) / 2, after.id]


def _filter(query: VectorQuery) -> dict[str, Any]:
    wanted: list[dict[str, Any]] = [{"term": {"status": Status.INDEXED}}]
    if query.collection is not None:
        wanted.append({"term": {"collection": query.collection}})
    unwanted = [] if query.exclude is None else [{"term": {"id": query.exclude}}]
    return {"bool": {"filter": wanted, "must_not": unwanted}}
