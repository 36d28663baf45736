"""How far a long run is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from imagesearch.planning import Outcome

LINE_EVERY_SECONDS = 5.0


def tracked(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    """The same outcomes, with the progress shown on the console as they come."""
    if console.is_terminal:
        return _with_bar(outcomes, total, console)
    return _with_lines(outcomes, total, console)


def _with_bar(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    columns = (
        TextColumn("looking at images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        for outcome in outcomes:
            bar.advance(task)
            yield outcome


def _with_lines(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    told = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        if time.monotonic() - told >= LINE_EVERY_SECONDS:
            console.print(f"looked at {done:,} of {total:,}", highlight=False)
            told = time.monotonic()
        yield outcome
