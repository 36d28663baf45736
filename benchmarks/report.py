"""Rows of measured figures and the one table they are printed in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, the value with its unit, how, and what it should be."""

    what: str
    value: str
    how: str = ""
    goal: str = ""


def percentiles(seconds: Sequence[float]) -> str:
    """p50 and p95 in milliseconds."""
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return f"{p50:.1f} ms (p95 {p95:.1f})"


def show_markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as it stands in docs/."""
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |", flush=True)
    print()


def show(title: str, rows: Iterable[Row]) -> None:
    table = Table("measured", "value", "how", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.what, row.value, row.how)
    Console(width=120).print(table)
