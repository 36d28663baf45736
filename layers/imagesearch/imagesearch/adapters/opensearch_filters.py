"""Filters as OpenSearch queries."""

from datetime import datetime
from typing import Any

from imagesearch.adapters.index_records import epoch_milliseconds, folders
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
