"""Columns of the embedded index in memory, for filters to compare with while a search goes on.

SQL would read every record for each search; a column is read when a filter first asks of its
field, and from then on grows with the index.

Filters as masks: for which rows of a scan one holds, told from columns in memory.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import ge, gt, le, lt
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from imagesearch.adapters.sqlite.filters import Condition, bounds, compared
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

# Names of metadata are the caller's: however many are asked for, memory is bounded.
MAX_COLUMNS = 32
_COMPARE = {"gte": ge, "lte": le, "gt": gt, "lt": lt}

Mask: TypeAlias = NDArray[np.bool_]
Seqs: TypeAlias = NDArray[np.int64]
# What an expression is worth in each row behind a seq, after the row's seq.
Read: TypeAlias = Callable[[Condition, int], Sequence[tuple[int, Any]]]


class NumberColumn:
    """A number for each row, NaN where there is none: milliseconds are exact, and so are bytes."""

    def __init__(self) -> None:
        self._values = np.empty(0)

    def extend(self, rows: int, places: Seqs, values: Sequence[float | None]) -> None:
        """Grow to so many rows, with these values at these places."""
        new = np.full(rows - len(self._values), np.nan)
        self._values = np.concatenate([self._values, new])
        self._values[places] = [np.nan if value is None else value for value in values]

    def within(self, bounds: Mapping[str, float]) -> Mask:
        """Where there is a number, and it is within all of these."""
        holds = ~np.isnan(self._values)
        for name, bound in bounds.items():
            holds &= _COMPARE[name](self._values, bound)
        return holds


class TextColumn:
    """A text for each row, kept as its number among the different ones; -1 where there is none."""

    def __init__(self) -> None:
        self._codes = np.empty(0, np.int32)
        self._known: dict[str, int] = {}
        self._sorted: list[str] = []
        self._ranks = np.empty(0, np.int32)

    def extend(self, rows: int, places: Seqs, values: Sequence[str | None]) -> None:
        """Grow to so many rows, with these values at these places."""
        new = np.full(rows - len(self._codes), -1, np.int32)
        self._codes = np.concatenate([self._codes, new])
        self._codes[places] = [self._code(value) for value in values]

    def among(self, values: Sequence[str]) -> Mask:
        holds = np.zeros(len(self._known) + 1, np.bool_)
        holds[[self._known[value] for value in values if value in self._known]] = True
        return self._of_each_row(holds)

    def recorded(self) -> Mask:
        return self._codes >= 0

    def beginning(self, prefix: str) -> Mask:
        """What begins so lies side by side in the order of the texts."""
        self._sort()
        first = bisect_left(self._sorted, prefix)
        end = bisect_right(self._sorted, prefix, first, key=lambda text: text[: len(prefix)])
        holds = (self._ranks >= first) & (self._ranks < end)
        return self._of_each_row(np.append(holds, False))

    def _of_each_row(self, holds: Mask) -> Mask:
        """The code -1, of no text, finds what is at the end."""
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


Column = TypeVar("Column", NumberColumn, TextColumn)


class ColumnStore(Generic[Column]):
    """The columns of a log's rows by their expressions; one thread at a time may use it."""

    def __init__(self, new: type[Column]) -> None:
        self._new: type[Column] = new
        self._columns: dict[Condition, tuple[Column, int]] = {}

    def column(self, expression: Condition, seqs: Seqs, read: Read) -> Column:
        """The expression's column for the rows with these seqs, [N] in their order.

        What it holds of a row that has been replaced means nothing.
        """
        column, last = self._columns.pop(expression, (self._new(), 0))
        if len(self._columns) == MAX_COLUMNS:
            del self._columns[next(iter(self._columns))]  # what was not asked for the longest time
        if seqs.size and seqs[-1] > last:
            cells = read(expression, last)
            places = np.searchsorted(seqs, [seq for seq, _ in cells])
            column.extend(len(seqs), places, [value for _, value in cells])
            last = int(seqs[-1])
        self._columns[expression] = column, last
        return column


class FilterMasks:
    """Over the rows of one log; as the log, for one thread at a time."""

    def __init__(self) -> None:
        self._numbers = ColumnStore(NumberColumn)
        self._texts = ColumnStore(TextColumn)

    def mask(self, filter: Filter, seqs: Seqs, read: Read) -> Mask:
        """Whether it holds for each of the rows with these seqs, [N] in their order.

        Of a row that has been replaced it says nothing.
        """
        match filter:
            case KeyPrefix(prefix):
                return self._texts.column(compared(filter), seqs, read).beginning(prefix)
            case OneOf(values=values) | MetadataOneOf(values=values):
                return self._texts.column(compared(filter), seqs, read).among(values)
            case Recorded() | MetadataRecorded():
                return self._texts.column(compared(filter), seqs, read).recorded()
            case NumberRange() | DateRange():
                return self._numbers.column(compared(filter), seqs, read).within(bounds(filter))
            case AllOf(filters):
                holds = np.ones(len(seqs), np.bool_)
                for one in filters:
                    holds &= self.mask(one, seqs, read)
                return holds
            case AnyOf(filters):
                holds = np.zeros(len(seqs), np.bool_)
                for one in filters:
                    holds |= self.mask(one, seqs, read)
                return holds
            case Not(unwanted):
                return ~self.mask(unwanted, seqs, read)
