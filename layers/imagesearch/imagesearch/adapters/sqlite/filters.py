"""Selections and positions as SQL conditions on the table of an SQLite index, and the expressions
that filters compare.

Filters themselves are evaluated by `filter_columns`: a condition in SQL would be evaluated for each
row, and a filter has up to a hundred.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from imagesearch.adapters.index_records import epoch_milliseconds
from imagesearch.domain.filters import (
    AllOf,
    DateRange,
    FieldFilter,
    Filter,
    KeyPrefix,
    NumberRange,
    OneOf,
    Recorded,
)
from imagesearch.domain.folders import folder_of
from imagesearch.domain.images import Orientation, Status
from imagesearch.domain.queries import Selection, TimePosition

# A damaged record that is not JSON has no values, rather than failing the statement.
RECORD = "iif(json_valid(record), record, NULL)"


def field_of_record(path: str) -> str:
    """The expression of a value in the record, null where the record is damaged."""
    return f"json_extract({RECORD}, '$.{path}')"


# All entries of a record, as a JSON object.
METADATA = field_of_record("metadata")
_WIDTH, _HEIGHT = field_of_record("width"), field_of_record("height")
PIXELS = f"({_WIDTH} * {_HEIGHT})"
ORIENTATION = (
    f"CASE WHEN {_WIDTH} > {_HEIGHT} THEN '{Orientation.LANDSCAPE}'"
    f" WHEN {_WIDTH} < {_HEIGHT} THEN '{Orientation.PORTRAIT}'"
    f" WHEN {_WIDTH} = {_HEIGHT} THEN '{Orientation.SQUARE}' END"
)
# Fields that are columns, or computed from others.
_EXPRESSIONS = {"collection": "collection", "pixels": PIXELS, "orientation": ORIENTATION}
_BOUNDS = ("gte", "lte", "gt", "lt")
_TEXT = field_of_record("taken_at")
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


def selected(selection: Selection, after: str | None = None) -> Condition:
    """The documents of a selection, after a key; of its filter, only the prefixes of keys."""
    collection = selection.collection
    statuses = [status.value for status in ([selection.status] if selection.status else Status)]
    # The "+" keeps SQLite on the index by key, which needs no sorting.
    parts = [Condition(f"+status IN ({placeholders(statuses)})", tuple(statuses))]
    if collection is not None:
        parts.append(in_collection(collection))
    if after is not None:
        parts.append(Condition("key > ?", (after,)))
    for prefix in _prefixes(selection.filter):
        begins = "key >= ? AND substr(key, 1, ?) = ?"
        parts.append(Condition(begins, (prefix, len(prefix), prefix)))
    return _joined("AND", parts)


def in_collection(collection: str) -> Condition:
    """The keys of a collection, which are contiguous."""
    first = folder_of(collection)
    return Condition("key >= ? AND key < ?", (first, after_folder(first)))


def after_folder(folder: str) -> str:
    """The first text after every key in a folder: "cats0" follows all of "cats/"."""
    return folder[:-1] + chr(ord("/") + 1)


def compared(leaf: FieldFilter) -> str:
    """The expression whose value a filter compares."""
    match leaf:
        case KeyPrefix():
            return "key"
        case OneOf(field=field) | Recorded(field=field) | NumberRange(field=field):
            return _EXPRESSIONS.get(field, field_of_record(field))
        case DateRange(field=field):
            return field_of_record(field)
        case _:
            return METADATA


def bounds(filter: NumberRange | DateRange) -> dict[str, float]:
    """The bounds that are set, by operator name; times in milliseconds since 1970."""
    values = {name: getattr(filter, name) for name in _BOUNDS}
    return {name: _number(bound) for name, bound in values.items() if bound is not None}


def placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def _prefixes(filter: Filter | None) -> Iterator[str]:
    """Prefixes that every selected key has: SQLite seeks by them."""
    match filter:
        case KeyPrefix(prefix):
            yield prefix
        case AllOf(filters):
            for each in filters:
                yield from _prefixes(each)


def _number(bound: float | datetime) -> float:
    return epoch_milliseconds(bound) if isinstance(bound, datetime) else bound


def _joined(word: str, parts: Sequence[Condition]) -> Condition:
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    return Condition(sql, tuple(value for part in parts for value in part.values))


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
