"""Messages of the commands: progress bars and single lines.

Progress is a bar on a terminal, and a plain line every few seconds elsewhere.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

LINE_EVERY_SECONDS = 5.0
T = TypeVar("T")


def print_line(console: Console, line: str) -> None:
    """Print a line without rich markup, which a file name may contain, and without wrapping."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def printable(key: str) -> str:
    """A key with every control character replaced: a terminal would obey them."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)


def tracked(
    items: Iterable[T], total: int, console: Console, description: str = "processing images"
) -> Iterator[T]:
    """Yield the items, and show the progress on the console."""
    show = _with_bar if console.is_terminal else _with_lines
    return show(items, total, console, description)


def _with_bar(items: Iterable[T], total: int, console: Console, description: str) -> Iterator[T]:
    columns = (TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        for item in items:
            bar.advance(task)
            yield item


def _with_lines(items: Iterable[T], total: int, console: Console, description: str) -> Iterator[T]:
    printed = time.monotonic()
    for done, item in enumerate(items, start=1):
        if time.monotonic() - printed >= LINE_EVERY_SECONDS:
            console.print(f"{description}: {done:,} of {total:,}", highlight=False)
            printed = time.monotonic()
        yield item


@contextmanager
def counted_progress(console: Console, description: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar; the function that it yields gets the done and all items."""
    if not console.is_terminal:
        yield _CountedLines(console, description)
        return
    columns = (TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _CountedLines:
    def __init__(self, console: Console, description: str) -> None:
        self._console = console
        self._description = description
        self._printed = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._printed >= LINE_EVERY_SECONDS:
            self._console.print(f"{self._description}: {done:,} of {total:,}", highlight=False)
            self._printed = time.monotonic()


class DownloadProgress(Protocol):
    """Called with a file's name, its size in bytes or None if unknown, and the bytes present."""

    def __call__(self, name: str, total: int | None, present: int) -> None: ...


@contextmanager
def download_progress(console: Console) -> Iterator[DownloadProgress]:
    """Shows the progress of each file on the console while the context is open."""
    if not console.is_terminal:
        yield _DownloadLines(console)
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
        yield _DownloadBars(progress)


def waiting_line(console: Console) -> Callable[[str, float], None]:
    """Prints the reason of a wait between two attempts to download, and its seconds."""

    def show(reason: str, seconds: float) -> None:
        print_line(
            console, f"{reason}; waiting {seconds:.0f} s before the next attempt (Ctrl-C stops)"
        )

    return show


class _DownloadBars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self, name: str, total: int | None, present: int) -> None:
        if name not in self._bars:
            # Bytes of an earlier run must not count towards the speed.
            self._bars[name] = self._progress.add_task(name, total=total, completed=present)
        self._progress.update(self._bars[name], completed=present)


class _DownloadLines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = time.monotonic()

    def __call__(self, name: str, total: int | None, present: int) -> None:
        if time.monotonic() - self._printed >= LINE_EVERY_SECONDS:
            of = f" of {total:,}" if total else ""
            self._console.print(f"{name}: {present:,}{of} bytes", highlight=False)
            self._printed = time.monotonic()
