"""OpenSearch query DSL: k-NN searches, listings, scans and filters."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from imagesearch.adapters.index_records import direction_json, epoch_milliseconds
from imagesearch.adapters.opensearch.mapping import EMBEDDING, FIELDS
from imagesearch.adapters.opensearch.records import (
    DELETED,
    ENTRY_FIELDS,
    ENTRY_TIMES,
    WITHOUT_EMBEDDING,
)
from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateRange,
    FieldFilter,
    Filter,
    KeyPrefix,
    MetadataContains,
    MetadataOneOf,
    MetadataRecorded,
    Not,
    NumberRange,
    OneOf,
    Recorded,
)
from imagesearch.domain.folders import folder_of, folders
from imagesearch.domain.images import Embedding, Status
from imagesearch.domain.queries import ALL_DOCUMENTS, Selection, TimePosition, VectorQuery

BOUNDS = (("gte", "lte"), ("gt", "lt"))
# The same k for every page: HNSW returns other neighbors for another k, and pages would repeat and
# miss hits.
NEIGHBORS = 1000
COUNTS = {"size": 0, "aggs": {"statuses": {"terms": {"field": "status"}}}}
# Up to the default of index.max_result_window, as the next two.
LINKS_PER_PAGE = 10_000
LINK_FIELDS = ("sha256", "neighbours")
# Without it, unused fields are half of a response of thousands of hits; `sort` holds key and id.
LINK_PATHS = "hits.hits.sort,hits.hits.fields"
ENTRIES_PER_PAGE = KEYS_PER_SAMPLE = 10_000
_VECTOR = "$vector"
_RECORDS = {"_source": WITHOUT_EMBEDDING, "track_total_hits": False}


def nearest(query: VectorQuery, vector: Embedding, neighbors: int = NEIGHBORS) -> str:
    """The body of a k-NN search; the filter applies during the graph traversal, not after it."""
    filter = matching(Selection(Status.INDEXED, query.collection, query.filter))
    if query.exclude:
        filter["bool"]["must_not"] = [{"terms": {"id": query.exclude}}]
    knn = {"vector": _VECTOR, "k": neighbors, "filter": filter}
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
    # The first occurrence is the placeholder; a filter may contain the same text later.
    return json.dumps(body).replace(f'"{_VECTOR}"', direction_json(vector), 1)


def ascending(field: str) -> dict[str, Any]:
    """A sort that works before the first write, which adds fields that an older index lacks."""
    return {field: {"order": "asc", "unmapped_type": FIELDS[field]["type"]}}


def same_copy(vector: Embedding) -> str:
    """The search preference: all pages go to one copy of the shard, as each has its own graph."""
    return hashlib.sha256(vector.tobytes()).hexdigest()[:16]


def listing_by_time(
    query: dict[str, Any], after: TimePosition | None, limit: int, newest_first: bool
) -> dict[str, Any]:
    """Documents without time come last in both orders, by the sort value `_last` stands for."""
    order = {"order": "desc" if newest_first else "asc"}
    sort = [
        {"taken_at": {**ascending("taken_at")["taken_at"], **order, "missing": "_last"}},
        {"key": {**ascending("key")["key"], **order}},
    ]
    body = {"query": query, "sort": sort, "size": limit, **_RECORDS}
    if after is None:
        return body
    missing = -(2**63) if newest_first else 2**63 - 1
    then = epoch_milliseconds(after.taken_at) if after.taken_at else missing
    return body | {"search_after": [then, after.key]}


def listing(query: dict[str, Any], after: str | None, limit: int) -> dict[str, Any]:
    body = {"query": query, "sort": [ascending("key")], "size": limit, **_RECORDS}
    return body | ({"search_after": [after]} if after is not None else {})


def scanning(
    query: dict[str, Any], pit: str, keep_alive: str, after: Sequence[Any] | None, embeddings: bool
) -> dict[str, Any]:
    """The next page of a point in time, which does not change."""
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
        clauses.append(_in_collection(selection.collection))
    if selection.filter is not None:
        clauses.append(filter_query(selection.filter))
    return {"bool": {"filter": clauses}}


def of_content(sha256: str, decoder: str) -> dict[str, Any]:
    """The image of this content that this decoder indexed last, with its embedding."""
    query = matching(Selection(Status.INDEXED))
    query["bool"]["filter"] += [{"term": {"sha256": sha256}}, {"term": {"decoder": decoder}}]
    newest = {"indexed_at": {**ascending("indexed_at")["indexed_at"], "order": "desc"}}
    sort = [newest, ascending("id")]
    return {"query": query, "sort": sort, "size": 1, "track_total_hits": False}


def links(collection: str | None, after: Sequence[Any] | None) -> dict[str, Any]:
    """Images with neighbors, from doc values: `_source` would load the vectors, too."""
    query = matching(Selection(Status.INDEXED, collection))
    query["bool"]["filter"].append({"exists": {"field": "neighbours"}})
    body = {
        "query": query,
        "sort": [ascending("key"), ascending("id")],
        "size": LINKS_PER_PAGE,
        "_source": False,
        "docvalue_fields": [*LINK_FIELDS],
        "track_total_hits": False,
    }
    return body | ({"search_after": list(after)} if after else {})


def entries(after: Sequence[Any] | None) -> dict[str, Any]:
    """The fields of `IndexEntry`, from doc values: `_source` would load the vectors, too."""
    body = {
        "query": matching(ALL_DOCUMENTS),
        "sort": [ascending("key"), ascending("id")],
        "size": ENTRIES_PER_PAGE,
        "_source": False,
        "docvalue_fields": [
            *ENTRY_FIELDS,
            *({"field": name, "format": "epoch_millis"} for name in ENTRY_TIMES),
        ],
        "track_total_hits": False,
    }
    return body | ({"search_after": list(after)} if after else {})


def of_ids(prefix: str) -> dict[str, Any]:
    query = matching(ALL_DOCUMENTS)
    query["bool"]["filter"].append({"prefix": {"id": prefix}})
    return {
        "query": query,
        "sort": [ascending("key")],
        "size": KEYS_PER_SAMPLE,
        "_source": False,
        "track_total_hits": False,
    }


def deleted_before(time: datetime, limit: int) -> dict[str, Any]:
    bound = {"lt": epoch_milliseconds(time), "format": "epoch_millis"}
    clauses = [{"term": {"status": DELETED}}, {"range": {"deleted_at": bound}}]
    return {
        "query": {"bool": {"filter": clauses}},
        "size": limit,
        "_source": False,
        "seq_no_primary_term": True,
    }


def cosine(score: float) -> float:
    """From Lucene's score, (1 + cos) / 2 in float32; exactly invertible by _lucene_score."""
    return float(2 * np.float64(np.float32(score)) - 1)


def _lucene_score(cosine: float) -> float:
    return (cosine + 1) / 2


def filter_query(filter: Filter) -> dict[str, Any]:
    match filter:
        case AllOf(filters):
            return {"bool": {"filter": [{"match_all": {}}, *map(filter_query, filters)]}}
        case AnyOf(filters):
            return {"bool": {"should": [filter_query(one) for one in filters] or [_nothing()]}}
        case Not(negated):
            return {"bool": {"must_not": [filter_query(negated)]}}
        case _:
            return _field_query(filter)


def _field_query(filter: FieldFilter) -> dict[str, Any]:
    match filter:
        case KeyPrefix(prefix):
            return _prefix(prefix)
        case OneOf(field, values):
            return {"terms": {field: list(values)}}
        case MetadataOneOf(name, values):
            return {"terms": {f"metadata.{name}": list(values)}}
        case MetadataContains(name, texts):
            return {"bool": {"should": [_contains(name, text) for text in texts] or [_nothing()]}}
        case Recorded(field):
            return {"exists": {"field": field}}
        case MetadataRecorded(name):
            return {"exists": {"field": f"metadata.{name}"}}
        case NumberRange(field=field) | DateRange(field=field):
            return {"bool": {"filter": [{"range": {field: each}} for each in _ranges(filter)]}}


def _in_collection(collection: str) -> dict[str, Any]:
    """Entries of older releases have no `folders`."""
    if "/" in collection:
        return _prefix(folder_of(collection))
    return {"term": {"collection": collection}}


def _prefix(prefix: str) -> dict[str, Any]:
    """A folder is one term: a prefix query on millions of keys would take seconds."""
    parents = folders(prefix)
    clauses: list[dict[str, Any]] = [{"term": {"folders": parents[-1]}}] if parents else []
    if not parents or parents[-1] != prefix:
        clauses.append({"prefix": {"key": prefix}})
    return {"bool": {"filter": clauses}}


def _contains(name: str, text: str) -> dict[str, Any]:
    """A wildcard query ignores the case of ASCII letters only."""
    escaped = re.sub(r"([*?\\])", r"\\\1", text)
    pattern = {"value": f"*{escaped}*", "case_insensitive": True}
    return {"wildcard": {f"metadata.{name}": pattern}}


def _ranges(filter: NumberRange | DateRange) -> list[dict[str, Any]]:
    """Two ranges for both kinds of bounds: in one, `gt` would replace `gte`."""
    ranges = [_bounds(filter, names) for names in BOUNDS]
    return [each for each in ranges if set(each) - {"format"}] or ranges[:1]


def _bounds(filter: NumberRange | DateRange, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(filter, name) for name in names}
    bounds: dict[str, Any] = {
        name: epoch_milliseconds(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }
    return bounds | ({"format": "epoch_millis"} if isinstance(filter, DateRange) else {})


def _nothing() -> dict[str, Any]:
    return {"match_none": {}}
