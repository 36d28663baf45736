"""Aggregations of OpenSearch: facets, and the tree of collections."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagesearch.adapters.opensearch.queries import matching
from imagesearch.domain.facets import (
    MAX_MONTHS,
    MAX_VALUES,
    MAX_YEARS,
    PIXEL_BUCKETS,
    Facet,
    FacetName,
    Facets,
    facet,
)
from imagesearch.domain.folders import FOLDER_LEVELS, CollectionCount, folder_of
from imagesearch.domain.queries import Selection

# With several shards, counts of terms are exact as long as each shard has no more values.
SHARD_VALUES = 1000
# The folders in one response; a response has up to 65,535 buckets.
FOLDERS_PER_REQUEST = 1000
# The default of index.max_regex_length; the collections in a longer one are not counted.
MAX_PATTERN = 1000
# Sorts after every character of a key.
_LAST = "\U0010ffff"
_TERMS = {
    FacetName.CAMERA: "camera",
    FacetName.ORIENTATION: "orientation",
    FacetName.CONTENT_TYPE: "content_type",
}
_INTERVALS = {
    FacetName.YEAR: ("year", "yyyy", MAX_YEARS),
    FacetName.MONTH: ("month", "yyyy-MM", MAX_MONTHS),
}
_DATED = "dated"


def facet_request(selection: Selection) -> dict[str, Any]:
    """The body of the search whose aggregations `facets` reads."""
    aggregations = {name: _terms(field) for name, field in _TERMS.items()}
    aggregations[FacetName.COLLECTION] = _terms("folders", include=_one_below(selection.collection))
    for name, (interval, format, limit) in _INTERVALS.items():
        histogram = {"field": "taken_at", "calendar_interval": interval, "format": format}
        source = {"time": {"date_histogram": {**histogram, "order": "desc"}}}
        aggregations[name] = {"composite": {"size": limit, "sources": [source]}}
    ranges = [
        {"key": str(number), **_range(bucket.gte, bucket.lt)}
        for number, bucket in enumerate(PIXEL_BUCKETS)
    ]
    return {
        "size": 0,
        "track_total_hits": True,
        "query": matching(selection),
        "aggs": {
            **aggregations,
            FacetName.PIXELS: {"range": {"field": "pixels", "ranges": ranges}},
            _DATED: {"value_count": {"field": "taken_at"}},
        },
    }


def facets(response: Mapping[str, Any]) -> Facets:
    """The facets of the response to `facet_request`."""
    images, found = response["hits"]["total"]["value"], response["aggregations"]

    def one(name: FacetName) -> Facet:
        counts = [(_key(bucket), bucket["doc_count"]) for bucket in found[name]["buckets"]]
        nonzero = [(value, count) for value, count in counts if count]
        others = found[name].get("sum_other_doc_count", 0)
        total = sum(count for _, count in nonzero) + others
        recorded = found[_DATED]["value"] if name in _INTERVALS else total
        return facet(name, nonzero, images, recorded)

    return Facets(images, {name: one(name) for name in FacetName})


def collections(
    search: Callable[[dict[str, Any]], Mapping[str, Any] | None],
    selection: Selection,
    depth: int,
    after: str | None,
    limit: int,
) -> list[CollectionCount]:
    """Walk the folders in their order; folders below the last level are skipped.

    `search` sends a request, at most one for each collection and one more.
    """
    parent = "" if selection.collection is None else folder_of(selection.collection)
    last_level = min(parent.count("/") + depth, FOLDER_LEVELS)
    position = parent if after is None else folder_of(after)
    if after is not None and position.count("/") == last_level:
        position += _LAST
    found: list[CollectionCount] = []
    # The collection that follows the page shows whether its last one has others below it.
    while len(found) <= limit:
        buckets = _folders(search(_folder_request(selection, position)))
        for folder, images in buckets:
            if not folder.startswith(parent):
                return found[:limit]
            if found and folder.startswith(folder_of(found[-1].path)):
                found[-1] = CollectionCount(found[-1].path, found[-1].images, nested=True)
            if folder.count("/") <= last_level:
                found.append(CollectionCount(folder[:-1], images, nested=False))
        if len(buckets) < FOLDERS_PER_REQUEST:
            break
        position = buckets[-1][0]
        if position.count("/") > last_level:
            position = "/".join(position.split("/")[:last_level]) + "/" + _LAST
    return found[:limit]


def _folder_request(selection: Selection, after: str) -> dict[str, Any]:
    sources = [{"folder": {"terms": {"field": "folders"}}}]
    composite: dict[str, Any] = {"size": FOLDERS_PER_REQUEST, "sources": sources}
    if after:
        composite["after"] = {"folder": after}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": matching(selection),
        "aggs": {"folders": {"composite": composite}},
    }


def _folders(response: Mapping[str, Any] | None) -> Sequence[tuple[str, int]]:
    if response is None:
        return []
    buckets = response["aggregations"]["folders"]["buckets"]
    return [(bucket["key"]["folder"], bucket["doc_count"]) for bucket in buckets]


def _terms(field: str, **options: str) -> dict[str, Any]:
    return {"terms": {"field": field, "size": MAX_VALUES, "shard_size": SHARD_VALUES, **options}}


def _one_below(collection: str | None) -> str:
    """The folders one level below a collection, as a regular expression of Lucene."""
    parent = "" if collection is None else folder_of(collection)
    pattern = re.sub(r"([^\w/])", r"\\\1", parent) + "[^/]*/"
    return pattern if len(pattern) <= MAX_PATTERN else ""


def _range(gte: int | None, lt: int | None) -> dict[str, int]:
    bounds = {"from": gte, "to": lt}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _key(bucket: Mapping[str, Any]) -> str:
    key = bucket["key"]
    return str(key["time"] if isinstance(key, dict) else key).removesuffix("/")
