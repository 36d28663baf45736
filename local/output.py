"""Output of the commands: the report on indexed images, progress bars, and single lines.

Progress is a bar on a terminal, and a plain line every few seconds elsewhere.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

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

from imagesearch.adapters.filesystem.image_store import Unavailability
from imagesearch.adapters.filesystem.walk import ExcludedEntry
from imagesearch.indexing.planner import Outcome, OutcomeKind

MAX_KINDS = 8
MAX_SUFFIX = 12
NO_SUFFIX = "without extension"
LINE_EVERY_SECONDS = 5.0
T = TypeVar("T")


def print_line(console: Console, line: str) -> None:
    """Print a line without rich markup, which a file name may contain, and without wrapping."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object a line on standard output."""
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))  # noqa: T201


def printable(key: str) -> str:
    """A key with every control character replaced: a terminal would obey them."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)


class Report:
    """Counts the outcomes of a run, and keeps those that a user must see."""

    def __init__(self, verbose: bool = False) -> None:
        """With `verbose`, the name of each skipped file is kept."""
        self._verbose = verbose
        self.skipped: Counter[str] = Counter()
        self._skipped_names: list[tuple[str, str]] = []
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []
        self.inaccessible: list[tuple[str, str]] = []
        self.kept: Counter[Unavailability] = Counter()
        self._rejected_before = 0
        self._reused = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome of the indexer."""
        if outcome.kind is OutcomeKind.SKIPPED:
            self._skip(outcome.ref.key, outcome.reason or "not an image")
            return
        self.counts[outcome.kind] += 1
        self._reused += outcome.reused
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An unchanged image that was rejected before is still rejected.
            self.rejected.append(outcome)
            self._rejected_before += outcome.kind is not OutcomeKind.REJECTED

    def add_inaccessible(self, path: str, reason: str) -> None:
        """Record a file or folder that cannot have a key, and so has no outcome."""
        self.inaccessible.append((path, reason))

    def add_excluded(self, entry: ExcludedEntry) -> None:
        """Count an excluded file; an excluded folder is named with `verbose`, and not counted."""
        if not entry.is_dir:
            self._skip(entry.path, entry.reason)
        elif self._verbose:
            self._skipped_names.append((f"{entry.path}/", entry.reason))

    def add_kept(self, causes: Iterable[Unavailability]) -> None:
        """Count records kept for files that are unavailable, by the cause."""
        self.kept.update(causes)

    def _skip(self, path: str, reason: str) -> None:
        self.skipped[_kind_of(path)] += 1
        if self._verbose:
            self._skipped_names.append((path, reason))

    @property
    def searchable(self) -> int:
        """Number of images in the index that a search can return."""
        searchable_kinds = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)
        return sum(self.counts[kind] for kind in searchable_kinds) - self._rejected_before

    @property
    def complete(self) -> bool:
        """True if every image of the folder is searchable now."""
        return not (self.rejected or self.failed or self.inaccessible or self.kept)

    @property
    def summary(self) -> str:
        """Such as `80 indexed (27 with known content), 4 unchanged, 1 rejected`."""
        counted = [self._count_text(kind) for kind in OutcomeKind if self.counts[kind]]
        if self.inaccessible:
            counted.append(f"{len(self.inaccessible):,} skipped with errors")
        if self.kept:
            counted.append(f"{self.kept.total():,} kept")
        return ", ".join(counted) or "no images"

    def _count_text(self, kind: OutcomeKind) -> str:
        known = kind is OutcomeKind.INDEXED and self._reused
        suffix = f" ({self._reused:,} with known content)" if known else ""
        return f"{self.counts[kind]:,} {kind.value}{suffix}"

    @property
    def skipped_summary(self) -> str:
        """Such as `12 files skipped: 8 .mov, 3 .psd, 1 .txt`; empty if none was skipped."""
        if not (count := self.skipped.total()):
            return ""
        kinds = sorted(self.skipped.items(), key=lambda each: (-each[1], each[0]))
        listed = [f"{number:,} {kind}" for kind, number in kinds[:MAX_KINDS]]
        if rest := kinds[MAX_KINDS:]:
            word = "kind" if len(rest) == 1 else "kinds"
            others = sum(number for _, number in rest)
            listed.append(f"{others:,} of {len(rest):,} other {word}")
        return f"{count:,} {'file' if count == 1 else 'files'} skipped: {', '.join(listed)}"

    def lines(self) -> list[str]:
        """A line with the reason for each image that is not searchable, then the skipped files.

        With `verbose`, also a line for each skipped file and folder.
        """
        named = [f"skipped {printable(path)}: {reason}" for path, reason in self._skipped_names]
        skipped = filter(None, [self.skipped_summary])
        return [*_lines("rejected", self.rejected), *self.problems(), *named, *skipped]

    def problems(self) -> list[str]:
        """A line for each file or folder that could not be processed or read."""
        return [
            *_lines("failed", self.failed),
            *(f"skipped {printable(path)}: {reason}" for path, reason in self.inaccessible),
            *(_kept_text(cause, count) for cause, count in self.kept.items()),
        ]


def _lines(word: str, outcomes: Iterable[Outcome]) -> list[str]:
    return [printable(f"{word} {outcome.ref.key}: {outcome.reason}") for outcome in outcomes]


def _kept_text(cause: Unavailability, count: int) -> str:
    """Such as `kept 27 records below animals: Permission denied; --forget-missing deletes them`."""
    records, them = ("1 record", "it") if count == 1 else (f"{count:,} records", "them")
    below = f" below {printable(cause.path)}" if cause.path else ""
    return f"kept {records}{below}: {cause.reason}; --forget-missing deletes {them}"


def _kind_of(path: str) -> str:
    """The extension in lower case; a long one, or one with a space, is part of a sentence."""
    suffix = PurePosixPath(path).suffix.lower()
    plain = len(suffix) <= MAX_SUFFIX and suffix.isprintable() and " " not in suffix
    return suffix if suffix and plain else NO_SUFFIX


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
