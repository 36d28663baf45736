"""Filters as masks: for which rows of a scan one holds, told from columns in memory."""

import numpy as np

from imagesearch.adapters.sqlite.filter_columns import (
    ColumnStore,
    Mask,
    NumberColumn,
    Read,
    Seqs,
    TextColumn,
)
from imagesearch.adapters.sqlite.filters import bounds, compared
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
