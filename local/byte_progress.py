"""How far a download is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from local.pulling import Watched

LINE_EVERY_SECONDS = 5.0


@contextmanager
def watching(console: Console) -> Iterator[Watched]:
    """What is to be called with every step."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        yield _Bars(progress)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self, name: str, total: int | None, here: int) -> None:
        if name not in self._bars:
            # What an earlier run has left here was not fetched at this speed.
            self._bars[name] = self._progress.add_task(name, total=total, completed=here)
        self._progress.update(self._bars[name], completed=here)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = time.monotonic()

    def __call__(self, name: str, total: int | None, here: int) -> None:
        if time.monotonic() - self._told >= LINE_EVERY_SECONDS:
            of = f" of {total:,}" if total else ""
            self._console.print(f"{name}: {here:,}{of} bytes", highlight=False)
            self._told = time.monotonic()
