"""What OpenSearch is asked: k-NN searches, listings, scans, counts.

Filters as OpenSearch queries.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from imagesearch.adapters.index_records import direction_json, epoch_milliseconds, folders
from imagesearch.adapters.opensearch.mapping import EMBEDDING, FIELDS
from imagesearch.adapters.opensearch.records import DELETED, WITHOUT_EMBEDDING
from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateRange,
    Filter,
    KeyPrefix,
    MetadataOneOf,
    MetadataRecorded,
    Not,
    NumberRange,
    OneOf,
    Recorded,
)
from imagesearch.domain.images import Embedding, Status
from imagesearch.domain.queries import Selection, TakenPlace, VectorQuery

BOUNDS = ("gte", "lte", "gt", "lt")


def filter_query(filter: Filter) -> dict[str, Any]:
    match filter:
        case KeyPrefix(prefix):
            return _prefix(prefix)
        case OneOf(field, values):
            return {"terms": {field: list(values)}}
        case MetadataOneOf(name, values):
            return {"terms": {f"metadata.{name}": list(values)}}
        case Recorded(field):
            return {"exists": {"field": field}}
        case MetadataRecorded(name):
            return {"exists": {"field": f"metadata.{name}"}}
        case NumberRange(field=field) | DateRange(field=field):
            return {"range": {field: _bounds(filter)}}
        case AllOf(filters):
            return {"bool": {"filter": [{"match_all": {}}, *map(filter_query, filters)]}}
        case AnyOf(filters):
            return {"bool": {"should": [filter_query(one) for one in filters] or [_nothing()]}}
        case Not(unwanted):
            return {"bool": {"must_not": [filter_query(unwanted)]}}


def _prefix(prefix: str) -> dict[str, Any]:
    """A folder is one term; looking through every key below it would take seconds on millions."""
    parents = folders(prefix)
    wanted: list[dict[str, Any]] = [{"term": {"folders": parents[-1]}}] if parents else []
    if not parents or parents[-1] != prefix:
        wanted.append({"prefix": {"key": prefix}})
    return {"bool": {"filter": wanted}}


def _bounds(filter: NumberRange | DateRange) -> dict[str, Any]:
    given = {name: getattr(filter, name) for name in BOUNDS}
    bounds: dict[str, Any] = {
        name: epoch_milliseconds(value) if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }
    return bounds | ({"format": "epoch_millis"} if isinstance(filter, DateRange) else {})


def _nothing() -> dict[str, Any]:
    return {"match_none": {}}


# Every page asks for as many neighbours as the deepest page reaches: HNSW finds other ones for
# another k, and pages would then repeat and miss hits.
NEIGHBOURS = 1000
COUNTS = {"size": 0, "aggs": {"statuses": {"terms": {"field": "status"}}}}
# As many as one answer may have.
LINKS_PER_PAGE = 10_000
LINK_COLUMNS = ("sha256", "neighbours")
# Thousands of hits: what is not read is half of the answer. Key and id are what it is sorted by.
LINK_PATHS = "hits.hits.sort,hits.hits.fields"
_VECTOR = "$vector"
_RECORDS = {"_source": WITHOUT_EMBEDDING, "track_total_hits": False}


def nearest(query: VectorQuery, vector: Embedding, neighbours: int = NEIGHBOURS) -> str:
    """The body of a k-NN search; the filter is applied while the graph is walked, not after."""
    filter = matching(Selection(Status.INDEXED, query.collection, query.filter))
    if query.exclude:
        filter["bool"]["must_not"] = [{"terms": {"id": query.exclude}}]
    knn = {"vector": _VECTOR, "k": neighbours, "filter": filter}
    body: dict[str, Any] = {
        "query": {"knn": {EMBEDDING: knn}},
        "sort": [{"_score": "desc"}, ascending("id")],
        "size": query.limit,
        **_RECORDS,
    }
    if query.min_score is not None:
        body["min_score"] = _lucene_score(query.min_score)
    if query.after:
        body["search_after"] = [_lucene_score(query.after.score), query.after.id]
    # The first one is ours, whatever a filter may look for.
    return json.dumps(body).replace(f'"{_VECTOR}"', direction_json(vector), 1)


def ascending(field: str) -> dict[str, Any]:
    """Searches may come before the first write, which adds what an older index lacks."""
    return {field: {"order": "asc", "unmapped_type": FIELDS[field]["type"]}}


def same_copy(vector: Embedding) -> str:
    """Sends all pages of a query to one copy of the shard: another copy has another graph."""
    return hashlib.sha256(vector.tobytes()).hexdigest()[:16]


def listing_by_time(
    query: dict[str, Any], after: TakenPlace | None, limit: int, newest_first: bool
) -> dict[str, Any]:
    """What has no time comes last, either way: OpenSearch gives it the farthest one there is."""
    way = {"order": "desc" if newest_first else "asc"}
    sort = [
        {"taken_at": {**ascending("taken_at")["taken_at"], **way, "missing": "_last"}},
        {"key": {**ascending("key")["key"], **way}},
    ]
    body = {"query": query, "sort": sort, "size": limit, **_RECORDS}
    if after is None:
        return body
    farthest = -(2**63) if newest_first else 2**63 - 1
    then = epoch_milliseconds(after.taken_at) if after.taken_at else farthest
    return body | {"search_after": [then, after.key]}


def listing(query: dict[str, Any], after: str | None, limit: int) -> dict[str, Any]:
    body = {"query": query, "sort": [ascending("key")], "size": limit, **_RECORDS}
    return body | ({"search_after": [after]} if after is not None else {})


def scanning(
    query: dict[str, Any], pit: str, keep_alive: str, after: Sequence[Any] | None, embeddings: bool
) -> dict[str, Any]:
    """The next documents of a view of the index that stays as it was: a point in time."""
    body = {
        "query": query,
        "sort": [ascending("key"), ascending("id")],
        "size": 500 if embeddings else 2000,
        "pit": {"id": pit, "keep_alive": keep_alive},
        **_RECORDS,
    }
    if embeddings:
        body["_source"] = True
    return body | ({"search_after": list(after)} if after else {})


def matching(selection: Selection) -> dict[str, Any]:
    statuses = [selection.status] if selection.status else list(Status)
    clauses: list[dict[str, Any]] = [{"terms": {"status": statuses}}]
    if selection.collection is not None:
        clauses.append({"term": {"collection": selection.collection}})
    if selection.filter is not None:
        clauses.append(filter_query(selection.filter))
    return {"bool": {"filter": clauses}}


def of_content(sha256: str, decoder: str) -> dict[str, Any]:
    """The image of this content that this decoder read last, with its embedding."""
    query = matching(Selection(Status.INDEXED))
    query["bool"]["filter"] += [{"term": {"sha256": sha256}}, {"term": {"decoder": decoder}}]
    newest = {"indexed_at": {**ascending("indexed_at")["indexed_at"], "order": "desc"}}
    sort = [newest, ascending("id")]
    return {"query": query, "sort": sort, "size": 1, "track_total_hits": False}


def links(collection: str | None, after: Sequence[Any] | None) -> dict[str, Any]:
    """Images with neighbours, from columns: a record would have to be read with its vector."""
    query = matching(Selection(Status.INDEXED, collection))
    query["bool"]["filter"].append({"exists": {"field": "neighbours"}})
    body = {
        "query": query,
        "sort": [ascending("key"), ascending("id")],
        "size": LINKS_PER_PAGE,
        "_source": False,
        "docvalue_fields": [*LINK_COLUMNS],
        "track_total_hits": False,
    }
    return body | ({"search_after": list(after)} if after else {})


def deleted_before(time: datetime, limit: int) -> dict[str, Any]:
    bound = {"lt": epoch_milliseconds(time), "format": "epoch_millis"}
    wanted = [{"term": {"status": DELETED}}, {"range": {"deleted_at": bound}}]
    return {
        "query": {"bool": {"filter": wanted}},
        "size": limit,
        "_source": False,
        "seq_no_primary_term": True,
    }


def cosine(score: float) -> float:
    """Lucene's score is (1 + cos) / 2 as float32: taken so, the way back to it is exact."""
    return float(2 * np.float64(np.float32(score)) - 1)


def _lucene_score(cosine: float) -> float:
    return (cosine + 1) / 2
