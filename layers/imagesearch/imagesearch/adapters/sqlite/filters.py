"""Filters and positions as SQL conditions on the table of an SQLite index.

Conditions are true or false, never null, so that they can be negated.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from imagesearch.adapters.index_records import epoch_milliseconds
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
    lower_ascii,
)
from imagesearch.domain.folders import folder_of
from imagesearch.domain.images import Orientation, Status
from imagesearch.domain.queries import Selection, TimePosition

_WIDTH, _HEIGHT = "json_extract(record, '$.width')", "json_extract(record, '$.height')"
PIXELS = f"({_WIDTH} * {_HEIGHT})"
ORIENTATION = (
    f"CASE WHEN {_WIDTH} > {_HEIGHT} THEN '{Orientation.LANDSCAPE}'"
    f" WHEN {_WIDTH} < {_HEIGHT} THEN '{Orientation.PORTRAIT}'"
    f" WHEN {_WIDTH} = {_HEIGHT} THEN '{Orientation.SQUARE}' END"
)
# Fields that are columns, or computed from others.
_EXPRESSIONS = {"collection": "collection", "pixels": PIXELS, "orientation": ORIENTATION}
CACHED_VALUES = 64
_OPERATORS = {"gte": ">=", "lte": "<=", "gt": ">", "lt": "<"}
_TEXT = "json_extract(record, '$.taken_at')"
_FINE = f"substr({_TEXT}, 20, 1) = '.'"
_ZONE = f"iif({_FINE}, substr({_TEXT}, 27), substr({_TEXT}, 20))"
_FRACTION = f"iif({_FINE}, substr({_TEXT}, 21, 3), 0)"
_SECONDS = f"substr({_TEXT}, 1, 19) || {_ZONE}"
MONTH = f"strftime('%Y-%m', {_SECONDS})"
# Milliseconds since 1970, or null: seconds by SQLite, which takes a time without zone as UTC, and
# the first three digits of Python's fraction. An index uses no custom function: other programs
# could not check the file.
TAKEN_AT_MS = f"(strftime('%s', substr({_TEXT}, 1, 19) || {_ZONE}) * 1000 + {_FRACTION})"


class Condition(NamedTuple):
    """An SQL expression and the values of its placeholders."""

    sql: str
    values: tuple[object, ...] = ()

    def select(self, columns: str, end: str = "") -> str:
        """The statement that selects the entries for which the condition holds."""
        return f"SELECT {columns} FROM entries WHERE {self.sql} {end}"  # noqa: S608 - values are bound

    def also(self, other: "Condition") -> "Condition":
        return Condition(f"({self.sql}) AND ({other.sql})", (*self.values, *other.values))


def matching(selection: Selection, after: str | None = None) -> Condition:
    """The documents of a selection, after a key."""
    collection = selection.collection
    statuses = [status.value for status in ([selection.status] if selection.status else Status)]
    # The "+" keeps SQLite on the index by key, which needs no sorting.
    parts = [Condition(f"+status IN ({placeholders(statuses)})", tuple(statuses))]
    if collection is not None:
        parts.append(in_collection(collection))
    if after is not None:
        parts.append(Condition("key > ?", (after,)))
    if selection.filter is not None:
        parts.append(condition(selection.filter))
    return _joined("AND", parts)


def in_collection(collection: str) -> Condition:
    """The keys of a collection, which are contiguous."""
    first = folder_of(collection)
    return Condition("key >= ? AND key < ?", (first, after_folder(first)))


def after_folder(folder: str) -> str:
    """The first text after every key in a folder: "cats0" follows all of "cats/"."""
    return folder[:-1] + chr(ord("/") + 1)


def condition(filter: Filter) -> Condition:
    match filter:
        case AllOf(filters):
            return _joined("AND", [Condition("TRUE"), *map(condition, filters)])
        case AnyOf(filters):
            return _joined("OR", [Condition("FALSE"), *map(condition, filters)])
        case Not(negated):
            holds = condition(negated)
            return Condition(f"NOT ({holds.sql})", holds.values)
        case _:
            return _of_one_field(filter)


def _of_one_field(filter: FieldFilter) -> Condition:
    match filter:
        case KeyPrefix(prefix):
            begins = "key >= ? AND substr(key, 1, ?) = ?"
            return Condition(begins, (prefix, len(prefix), prefix))
        case OneOf(values=values) | MetadataOneOf(values=values):
            return _one_of(compared(filter), values)
        case MetadataContains(texts=texts):
            return _contains(compared(filter), texts)
        case Recorded() | MetadataRecorded():
            value = compared(filter)
            return Condition(f"{value.sql} NOT NULL", value.values)
        case NumberRange() | DateRange():
            return _range(compared(filter).sql, bounds(filter))


def compared(leaf: FieldFilter) -> Condition:
    """The expression whose value a filter compares."""
    match leaf:
        case KeyPrefix():
            return Condition("key")
        case OneOf(field=field) | Recorded(field=field) | NumberRange(field=field):
            return Condition(_EXPRESSIONS.get(field, f"json_extract(record, '$.{field}')"))
        case MetadataOneOf(name=name) | MetadataContains(name=name) | MetadataRecorded(name=name):
            return Condition("metadata_of(json_extract(record, '$.metadata'), ?)", (name,))
        case DateRange(field=field):
            return Condition(f"milliseconds_of(json_extract(record, '$.{field}'))")


def bounds(filter: NumberRange | DateRange) -> dict[str, float]:
    """The bounds that are set, by operator name; times in milliseconds since 1970."""
    values = {name: getattr(filter, name) for name in _OPERATORS}
    return {name: _number(bound) for name, bound in values.items() if bound is not None}


def add_functions(connection: sqlite3.Connection) -> None:
    """Register the SQL functions that conditions call."""
    connection.create_function("metadata_of", 2, _metadata_of, deterministic=True)
    connection.create_function("milliseconds_of", 1, _milliseconds_of, deterministic=True)


def placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def _one_of(text: Condition, values: tuple[str, ...]) -> Condition:
    sql = f"ifnull({text.sql} IN ({placeholders(values)}), FALSE)"
    return Condition(sql, (*text.values, *values))


def _contains(text: Condition, parts: tuple[str, ...]) -> Condition:
    """LIKE would read `%` and `_`; `lower` converts ASCII only, as long as no ICU is loaded."""
    sql = f"ifnull(instr(lower({text.sql}), ?), 0) > 0"
    each = [Condition(sql, (*text.values, lower_ascii(part))) for part in parts]
    return _joined("OR", [Condition("FALSE"), *each])


def _range(sql: str, bounds: Mapping[str, float]) -> Condition:
    parts = [
        Condition(f"ifnull({sql} {_OPERATORS[name]} ?, FALSE)", (bound,))
        for name, bound in bounds.items()
    ]
    return _joined("AND", parts or [Condition(f"{sql} NOT NULL")])


def _number(bound: float | datetime) -> float:
    return epoch_milliseconds(bound) if isinstance(bound, datetime) else bound


def _joined(word: str, parts: Sequence[Condition]) -> Condition:
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    return Condition(sql, tuple(value for part in parts for value in part.values))


def _metadata_of(metadata: str | None, name: str) -> str | None:
    value: str | None = _parsed(metadata).get(name) if metadata else None
    return value


@lru_cache(CACHED_VALUES)
def _parsed(metadata: str) -> Mapping[str, Any]:
    """SQLite calls once for each condition, with the same object for all conditions of a row."""
    entries: dict[str, Any] = json.loads(metadata)
    return entries


@lru_cache(CACHED_VALUES)
def _milliseconds_of(time: str | None) -> int | None:
    return epoch_milliseconds(datetime.fromisoformat(time)) if time else None


def dated(position: TimePosition | None, newest_first: bool) -> Condition:
    """Images with a time, after a position among them."""
    if position is None or position.taken_at is None:
        return Condition(f"{TAKEN_AT_MS} NOT NULL")
    then = epoch_milliseconds(position.taken_at)
    sign = "<" if newest_first else ">"
    # SQLite seeks by the first bound alone.
    condition = f"{TAKEN_AT_MS} {sign}= ? AND ({TAKEN_AT_MS} {sign} ? OR key {sign} ?)"
    return Condition(condition, (then, then, position.key))


def undated(position: TimePosition | None, newest_first: bool) -> Condition:
    """Images without a time, which come last, after a position among them."""
    if position is None or position.taken_at is not None:
        return Condition(f"{TAKEN_AT_MS} IS NULL")
    return Condition(
        f"{TAKEN_AT_MS} IS NULL AND key {'<' if newest_first else '>'} ?", (position.key,)
    )
