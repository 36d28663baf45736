"""Filters as masks over rows, computed from columns in memory.

The columns of a vector scan are kept: one is loaded when a filter first uses its field, and
extended as the index grows. There is one for each field, however many conditions and names of
metadata a filter has. Lists read theirs in pages.
"""

import json
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime
from functools import cache, reduce
from itertools import compress, islice
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagesearch.adapters.index_records import epoch_milliseconds
from imagesearch.adapters.sqlite.filters import bounds, compared
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

_COMPARE = {"gte": ge, "lte": le, "gt": gt, "lt": lt}

Mask: TypeAlias = NDArray[np.bool_]
Seqs: TypeAlias = NDArray[np.int64]
# The rows after a seq in their order, each with its seq and the values of these SQL expressions.
Read: TypeAlias = Callable[[Sequence[str], int], Sequence[tuple[Any, ...]]]


class NumberColumn:
    """A float64 for each row, NaN if missing; exact for milliseconds and file sizes."""

    def __init__(self) -> None:
        self._values = np.empty(0)

    def extend(self, rows: int, positions: Seqs, values: Sequence[float | None]) -> None:
        """Extend to so many rows, with these values at these positions."""
        new = np.full(rows - len(self._values), np.nan)
        self._values = np.concatenate([self._values, new])
        self._values[positions] = [np.nan if value is None else value for value in values]

    def within(self, bounds: Mapping[str, float]) -> Mask:
        """Rows with a number within all bounds."""
        holds = ~np.isnan(self._values)
        for name, bound in bounds.items():
            holds &= _COMPARE[name](self._values, bound)
        return holds


class TimeColumn(NumberColumn):
    """The milliseconds since 1970 of an ISO 8601 time for each row."""

    def extend(self, rows: int, positions: Seqs, values: Sequence[Any]) -> None:
        """Extend to so many rows, with these texts at these positions."""
        numbers = cache(_milliseconds)
        super().extend(rows, positions, [numbers(value) for value in values])


class TextColumn:
    """A string for each row, dictionary-encoded; -1 if missing."""

    def __init__(self) -> None:
        self._codes = np.empty(0, np.int32)
        self._known: dict[str, int] = {}
        self._sorted: list[str] = []
        self._ranks = np.empty(0, np.int32)

    def extend(self, rows: int, positions: Seqs, values: Sequence[str | None]) -> None:
        """Extend to so many rows, with these values at these positions."""
        new = np.full(rows - len(self._codes), -1, np.int32)
        self._codes = np.concatenate([self._codes, new])
        self._codes[positions] = [self._code(value) for value in values]

    def among(self, values: Sequence[str]) -> Mask:
        """Rows with one of these strings."""
        holds = np.zeros(len(self._known) + 1, np.bool_)
        holds[[self._known[value] for value in values if value in self._known]] = True
        return self._of_each_row(holds)

    def recorded(self) -> Mask:
        """Rows with a string."""
        return self._codes >= 0

    def beginning(self, prefix: str) -> Mask:
        """Rows with this prefix, which are contiguous in sorted order."""
        self._sort()
        first = bisect_left(self._sorted, prefix)
        end = bisect_right(self._sorted, prefix, first, key=lambda text: text[: len(prefix)])
        holds = (self._ranks >= first) & (self._ranks < end)
        return self._of_each_row(np.append(holds, False))

    def _of_each_row(self, holds: Mask) -> Mask:
        """The code -1, of a missing string, selects the last element."""
        return holds[self._codes]

    def _sort(self) -> None:
        if len(self._sorted) == len(self._known):
            return
        new = islice(self._known, len(self._sorted), None)
        self._sorted = sorted(self._sorted + sorted(new))
        codes = [self._known[text] for text in self._sorted]
        self._ranks = np.empty(len(codes), np.int32)
        self._ranks[codes] = np.arange(len(codes))

    def _code(self, value: str | None) -> int:
        return -1 if value is None else self._known.setdefault(value, len(self._known))


class MetadataColumn:
    """The entries of each row, by name: memory grows with the entries that exist.

    A name that no row has costs nothing, so that callers may filter by any number of names. With
    `names`, other entries are omitted.
    """

    def __init__(self, names: Set[str] | None = None) -> None:
        self._names = names
        self._rows = 0
        self._entries: dict[str, MetadataEntries] = {}

    def extend(self, rows: int, positions: Seqs, values: Sequence[str | None]) -> None:
        """Extend to so many rows, with these JSON objects at these positions."""
        self._rows = rows
        parsed = cache(json.loads)
        for position, text in zip(positions.tolist(), values, strict=True):
            entries = parsed(text or "{}")
            for name in entries if self._names is None else self._names & entries.keys():
                if name not in self._entries:
                    self._entries[name] = MetadataEntries()
                self._entries[name].add(position, entries[name])

    def among(self, name: str, values: Collection[str]) -> Mask:
        """Rows whose entry `name` has one of these values."""
        entries = self._entries.get(name)
        return self._mask(entries.among(values) if entries else ())

    def containing(self, name: str, texts: Collection[str]) -> Mask:
        """Rows whose entry `name` contains one of these texts; A to Z match in either case."""
        entries = self._entries.get(name)
        return self._mask(entries.containing(texts) if entries else ())

    def recorded(self, name: str) -> Mask:
        """Rows with an entry `name`."""
        entries = self._entries.get(name)
        return self._mask(entries.every() if entries else ())

    def _mask(self, positions: Seqs | tuple[()]) -> Mask:
        holds = np.zeros(self._rows, np.bool_)
        holds[np.asarray(positions, np.int64)] = True
        return holds


class MetadataEntries:
    """The rows that have an entry of one name, and its values, dictionary-encoded."""

    def __init__(self) -> None:
        self._positions = array("q")
        self._codes = array("q")
        self._known: dict[str, int] = {}
        self._lowered: list[str] = []
        self._joined = ""

    def add(self, position: int, value: str) -> None:
        self._positions.append(position)
        self._codes.append(self._known.setdefault(value, len(self._known)))

    def every(self) -> Seqs:
        """All rows with an entry."""
        return np.array(self._positions, np.int64)

    def among(self, values: Collection[str]) -> Seqs:
        """The rows with one of these values."""
        accepted = np.zeros(len(self._known), np.bool_)
        accepted[[self._known[value] for value in values if value in self._known]] = True
        return self._of_codes(accepted)

    def containing(self, texts: Collection[str]) -> Seqs:
        """The rows whose value contains one of these texts.

        Each text is first sought among all values at once, which most texts are not in, and then in
        the values that no earlier text accepted.
        """
        if len(self._lowered) < len(self._known):
            new = islice(self._known, len(self._lowered), None)
            self._lowered.extend(map(lower_ascii, new))
            self._joined = "\0".join(self._lowered)
        accepted = np.zeros(len(self._known), np.bool_)
        codes, values = np.arange(len(self._known)), self._lowered
        for text in dict.fromkeys(map(lower_ascii, texts)):
            if text in self._joined:
                found = np.array([text in value for value in values], np.bool_)
                accepted[codes[found]] = True
                codes, values = codes[~found], list(compress(values, (~found).tolist()))
        return self._of_codes(accepted)

    def _of_codes(self, accepted: Mask) -> Seqs:
        return self.every()[accepted[np.array(self._codes, np.int64)]]


Column: TypeAlias = NumberColumn | TextColumn | MetadataColumn


class FilterMasks:
    """Masks over the rows of one VectorLog or one page; not thread-safe.

    There is a column for each field of a record that was filtered by, and one for all metadata or
    the entries of these names.
    """

    def __init__(self, metadata_names: Set[str] | None = None) -> None:
        self._numbers: defaultdict[str, NumberColumn] = defaultdict(NumberColumn)
        self._times: defaultdict[str, TimeColumn] = defaultdict(TimeColumn)
        self._texts: defaultdict[str, TextColumn] = defaultdict(TextColumn)
        self._metadata = MetadataColumn(metadata_names)
        self._last: defaultdict[str, int] = defaultdict(int)

    def masks(self, filters: Sequence[Filter | None], seqs: Seqs, read: Read) -> list[Mask | None]:
        """For each filter the rows for which it holds, of the rows with these seqs, [N] in order.

        New rows are read once for all filters. Values of replaced rows are undefined. The mask of
        None is None. Columns may have more rows already, of calls with later seqs.
        """
        leaves = [leaf for each in filters if each for leaf in _leaves(each)]
        self._extend({compared(leaf): self._column(leaf) for leaf in leaves}, seqs, read)
        return [None if each is None else self._mask(each, len(seqs)) for each in filters]

    def _extend(self, columns: Mapping[str, Column], seqs: Seqs, read: Read) -> None:
        """Read the rows that columns lack, in one pass."""
        newest = int(seqs[-1]) if seqs.size else 0
        behind = [each for each in columns if self._last[each] < newest]
        if not behind:
            return
        rows = read(behind, min(self._last[each] for each in behind))
        # Damaged rows have no vector in the scan.
        known = np.isin([row[0] for row in rows], seqs)
        rows = list(compress(rows, known.tolist()))
        found = np.array([row[0] for row in rows], np.int64)
        for number, expression in enumerate(behind, start=1):
            first = int(np.searchsorted(found, self._last[expression], side="right"))
            values = [row[number] for row in rows[first:]]
            columns[expression].extend(len(seqs), np.searchsorted(seqs, found[first:]), values)
            self._last[expression] = newest

    def _column(self, leaf: FieldFilter) -> Column:
        match leaf:
            case MetadataOneOf() | MetadataContains() | MetadataRecorded():
                return self._metadata
            case NumberRange():
                return self._numbers[compared(leaf)]
            case DateRange():
                return self._times[compared(leaf)]
            case _:
                return self._texts[compared(leaf)]

    def _mask(self, filter: Filter, rows: int) -> Mask:
        match filter:
            case AllOf(filters):
                every = np.ones(rows, np.bool_)
                return reduce(np.logical_and, (self._mask(one, rows) for one in filters), every)
            case AnyOf(filters):
                none = np.zeros(rows, np.bool_)
                return reduce(np.logical_or, (self._mask(one, rows) for one in filters), none)
            case Not(negated):
                return ~self._mask(negated, rows)
            case _:
                return self._field_mask(filter)[:rows]

    def _field_mask(self, filter: FieldFilter) -> Mask:
        match filter:
            case MetadataOneOf(name, values):
                return self._metadata.among(name, values)
            case MetadataContains(name, texts):
                return self._metadata.containing(name, texts)
            case MetadataRecorded(name):
                return self._metadata.recorded(name)
            case NumberRange():
                return self._numbers[compared(filter)].within(bounds(filter))
            case DateRange():
                return self._times[compared(filter)].within(bounds(filter))
            case _:
                return self._text_mask(filter)

    def _text_mask(self, filter: KeyPrefix | OneOf | Recorded) -> Mask:
        column = self._texts[compared(filter)]
        match filter:
            case KeyPrefix(prefix):
                return column.beginning(prefix)
            case OneOf(values=values):
                return column.among(values)
            case Recorded():
                return column.recorded()


def expressions(filter: Filter) -> list[str]:
    """The SQL expressions of the columns that a filter needs."""
    return list(dict.fromkeys(map(compared, _leaves(filter))))


def mask_of_rows(filter: Filter, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Mask:
    """The rows for which a filter holds, [N]; each has the values of the expressions `names`."""

    def read(wanted: Sequence[str], _: int) -> Sequence[tuple[Any, ...]]:
        order = [names.index(name) for name in wanted]
        return [(number, *[row[i] for i in order]) for number, row in enumerate(rows, start=1)]

    metadata = (MetadataOneOf, MetadataContains, MetadataRecorded)
    used = {leaf.name for leaf in _leaves(filter) if isinstance(leaf, metadata)}
    [mask] = FilterMasks(used).masks([filter], np.arange(1, len(rows) + 1), read)
    return np.ones(len(rows), np.bool_) if mask is None else mask


def _milliseconds(text: str | None) -> int | None:
    return epoch_milliseconds(datetime.fromisoformat(text)) if text else None


def _leaves(filter: Filter) -> Iterator[FieldFilter]:
    match filter:
        case AllOf(filters) | AnyOf(filters):
            for one in filters:
                yield from _leaves(one)
        case Not(negated):
            yield from _leaves(negated)
        case _:
            yield filter
