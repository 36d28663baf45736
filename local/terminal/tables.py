"""Results of commands: tables on a terminal, tab-separated lines or JSON lines elsewhere.

A path in a table is shortened in its middle to the width of the terminal, so that it is never
broken, and links to its file or URL where the terminal shows links (OSC 8).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from local.terminal.output import printable

MAX_UNWRAPPED = 26
MIN_PATH = 12
MIN_WRAPPED = 24
GAP = 2


@dataclass(frozen=True, slots=True)
class PathCell:
    """A path or key, and the URL that it links to on a terminal."""

    text: str
    url: str | None = None

    def __str__(self) -> str:
        return self.text


Cell: TypeAlias = str | PathCell
Column: TypeAlias = tuple[str, list[Cell]]  # heading and cells


def file_cell(key: str, path: Path) -> PathCell:
    """The cell of a file, which links to it."""
    return PathCell(key, path.as_uri())


def record_cell(row: Mapping[str, Any]) -> PathCell:
    """The cell of an image, which links to its file, or to its URL in a deployed system."""
    path = row.get("path")
    return file_cell(row["key"], Path(path)) if path else PathCell(row["key"], row["url"])


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], console: Console | None = None
) -> None:
    """Print a table on a terminal; elsewhere lines of tab-separated columns, without a header.

    Paths are shortened, columns of longer texts are wrapped, and the others keep their width. Where
    a wrapped column would be narrow, each row is a block with one line for each column.
    """
    rows = list(rows)
    console = console or Console(highlight=False)
    if not console.is_terminal:
        for row in rows:
            print("\t".join(printable(str(cell).replace("\n", " ")) for cell in row))  # noqa: T201
        return
    if not rows:
        return
    columns = [(heading, [row[at] for row in rows]) for at, heading in enumerate(headings)]
    wrapped = [_is_wrapped(cells) for _, cells in columns]
    room = _room_for_paths(columns, console.width)
    kept = [column for column, wraps in zip(columns, wrapped, strict=True) if not wraps]
    if any(wrapped) and console.width - sum(map(_least_width, kept)) < MIN_WRAPPED:
        _print_blocks(headings, rows, console)
        return
    table = _table()
    for heading, wraps in zip(headings, wrapped, strict=True):
        table.add_column(heading, no_wrap=not wraps)
    for row in rows:
        table.add_row(*(_text(cell, room) for cell in row))
    console.print(table)


def _print_blocks(
    headings: Sequence[str], rows: Sequence[Sequence[Cell]], console: Console
) -> None:
    """Print each row as a table of its headings and values."""
    room = console.width - max(map(cell_len, headings)) - GAP
    for number, row in enumerate(rows):
        if number:
            console.print()
        table = _table(show_header=False)
        for heading, cell in zip(headings, row, strict=True):
            table.add_row(Text(heading, Style(bold=True)), _text(cell, room))
        console.print(table)


def _table(*, show_header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=show_header)


def print_json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object a line on standard output, in ASCII unless its encoding is UTF-8."""
    escape = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    for row in rows:
        print(json.dumps(row, ensure_ascii=escape))  # noqa: T201
    sys.stdout.flush()


def print_paths(paths: Iterable[str]) -> None:
    """Print one path a line; on a terminal, without control characters."""
    on_terminal = Console().is_terminal
    for path in paths:
        print(printable(path) if on_terminal else path)  # noqa: T201


def shortened(path: str, width: int) -> str:
    """The path in at most `width` columns: its middle is left out, its file name as a last resort.

    A wide character takes two columns.
    """
    if cell_len(path) <= width:
        return path
    name = cell_len(path.rpartition("/")[2]) + 1
    tail = max(name, (width - 1) * 2 // 3)
    if tail > width - 1:
        tail = (width - 1) // 2
    return set_cell_size(path, width - 1 - tail).rstrip() + "…" + _end(path, tail)


def _end(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[1:]
    return text


def _text(cell: Cell, room: int) -> Text:
    """Plain text: a file name may contain rich markup or control characters."""
    if isinstance(cell, PathCell):
        return Text(shortened(printable(cell.text), room), Style(link=cell.url))
    return Text("\n".join(map(printable, cell.split("\n"))), overflow="fold")


def _room_for_paths(columns: Sequence[Column], width: int) -> int:
    """The columns of the terminal that others leave to the column of paths."""
    used = [_least_width(column) for column in columns if not _has_paths(column[1])]
    return max(MIN_PATH, width - sum(used))


def _least_width(column: Column) -> int:
    """The width of a column with its gap, if longer texts are wrapped and paths shortened."""
    heading, cells = column
    limit = MIN_PATH if _has_paths(cells) else MAX_UNWRAPPED
    return GAP + max(cell_len(heading), min(_width(cells), limit))


def _has_paths(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, PathCell) for cell in cells)


def _is_wrapped(cells: Sequence[Cell]) -> bool:
    """True for a column of long texts."""
    texts = [cell for cell in cells if not isinstance(cell, PathCell)]
    return _width(texts) > MAX_UNWRAPPED


def _width(cells: Sequence[Cell]) -> int:
    return max((cell_len(line) for cell in cells for line in str(cell).split("\n")), default=0)
