"""How far a long run is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 5.0
Done = TypeVar("Done")


def tracked(
    outcomes: Iterable[Done], total: int, console: Console, doing: str = "looking at images"
) -> Iterator[Done]:
    """The same outcomes, with the progress shown on the console as they come."""
    show = _with_bar if console.is_terminal else _with_lines
    return show(outcomes, total, console, doing)


def _with_bar(outcomes: Iterable[Done], total: int, console: Console, doing: str) -> Iterator[Done]:
    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        for outcome in outcomes:
            bar.advance(task)
            yield outcome


def _with_lines(
    outcomes: Iterable[Done], total: int, console: Console, doing: str
) -> Iterator[Done]:
    told = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        if time.monotonic() - told >= LINE_EVERY_SECONDS:
            console.print(f"{doing}: {done:,} of {total:,}", highlight=False)
            told = time.monotonic()
        yield outcome
