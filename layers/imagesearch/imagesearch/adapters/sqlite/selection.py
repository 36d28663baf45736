"""The intact rows of a selection, in one pass over the table however its filter is written."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from operator import attrgetter
from typing import Any

from imagesearch.adapters.sqlite.checksums import ENTRY, Entry
from imagesearch.adapters.sqlite.filter_columns import expressions, mask_of_rows
from imagesearch.adapters.sqlite.filters import Condition, selected
from imagesearch.domain.queries import Selection

# Rows that are read and filtered at once: few at first, for lists with a limit.
FIRST_ROWS, MAX_ROWS = 64, 4096
NO_CONDITION = Condition("TRUE")
BY_KEY = "key, id"


def selected_rows(
    connection: sqlite3.Connection,
    sql: Callable[[str], str],
    selection: Selection,
    columns: Sequence[str] = (),
    *,
    also: Condition = NO_CONDITION,
    order: str = BY_KEY,
    is_intact: Callable[[Entry], bool] = attrgetter("is_intact"),
) -> Iterator[tuple[Entry, tuple[Any, ...]]]:
    """The rows of a selection that are intact, each with the values of these columns.

    Rows are read as they are consumed. `order` may be empty.
    """
    filter = selection.filter
    names = [] if filter is None else expressions(filter)
    condition = selected(selection).also(also)
    statement = condition.select(
        ", ".join([ENTRY, *columns, *names]), f"ORDER BY {order}" if order else ""
    )
    with closing(connection.execute(sql(statement), condition.values)) as cursor:
        size, end = FIRST_ROWS, len(Entry._fields) + len(columns)
        while rows := cursor.fetchmany(size):
            entries = ((Entry(*row[: len(Entry._fields)]), row) for row in rows)
            intact = [(entry, row) for entry, row in entries if is_intact(entry)]
            if filter is None or not intact:
                mask = [True] * len(intact)
            else:
                mask = mask_of_rows(filter, names, [row[end:] for _, row in intact]).tolist()
            for (entry, row), holds in zip(intact, mask, strict=True):
                if holds:
                    yield entry, row[len(Entry._fields) : end]
            size = min(2 * size, MAX_ROWS)
