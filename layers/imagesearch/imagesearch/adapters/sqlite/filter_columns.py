"""Filters as masks over the rows of a vector scan, computed from columns in memory.

SQL would read every record for each search. A column is loaded when a filter first uses its field,
and extended as the index grows.
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

# Metadata names come from the caller: this bounds memory.
MAX_COLUMNS = 32
_COMPARE = {"gte": ge, "lte": le, "gt": gt, "lt": lt}

Mask: TypeAlias = NDArray[np.bool_]
Seqs: TypeAlias = NDArray[np.int64]
# The values of an expression in the rows after a seq, as pairs of seq and value.
Read: TypeAlias = Callable[[Condition, int], Sequence[tuple[int, Any]]]


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


Column = TypeVar("Column", NumberColumn, TextColumn)


class ColumnStore(Generic[Column]):
    """The columns of a VectorLog's rows by expression; not thread-safe."""

    def __init__(self, new: type[Column]) -> None:
        self._new: type[Column] = new
        self._columns: dict[Condition, tuple[Column, int]] = {}

    def column(self, expression: Condition, seqs: Seqs, read: Read) -> Column:
        """The expression's column for the rows with these seqs, [N] in their order.

        Values of replaced rows are undefined.
        """
        column, last = self._columns.pop(expression, (self._new(), 0))
        if len(self._columns) == MAX_COLUMNS:
            del self._columns[next(iter(self._columns))]  # least recently used
        if seqs.size and seqs[-1] > last:
            cells = read(expression, last)
            positions = np.searchsorted(seqs, [seq for seq, _ in cells])
            column.extend(len(seqs), positions, [value for _, value in cells])
            last = int(seqs[-1])
        self._columns[expression] = column, last
        return column


class FilterMasks:
    """Masks over the rows of one VectorLog; not thread-safe."""

    def __init__(self) -> None:
        self._numbers = ColumnStore(NumberColumn)
        self._texts = ColumnStore(TextColumn)

    def mask(self, filter: Filter, seqs: Seqs, read: Read) -> Mask:
        """The rows for which the filter holds, of those with these seqs, [N] in their order.

        Values of replaced rows are undefined.
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
            case Not(negated):
                return ~self.mask(negated, seqs, read)
