"""What became of the images: counted, and told in a line.

How far a long run is: a bar on a terminal, a plain line now and then elsewhere.

How far a download is: a bar on a terminal, a plain line now and then elsewhere.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TypeVar

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

from imagesearch.adapters.filesystem.image_store import Hidden
from imagesearch.adapters.filesystem.walk import LeftOut
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.models import Watched

MOST_KINDS = 8
MOST_SUFFIX = 12
NO_SUFFIX = "without extension"


class Report:
    """Counts outcomes and keeps those that a person should see."""

    def __init__(self, verbose: bool = False) -> None:
        """With `verbose` each file that is skipped is kept, too."""
        self._verbose = verbose
        self.skipped: Counter[str] = Counter()
        self._skipped_names: list[tuple[str, str]] = []
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []
        self.passed_over: list[tuple[str, str]] = []
        self.kept: Counter[Hidden] = Counter()
        self._rejected_before = 0
        self._reused = 0

    def add(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.SKIPPED:
            self._skip(outcome.ref.key, outcome.reason or "not an image")
            return
        self.counts[outcome.kind] += 1
        self._reused += outcome.reused
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An image that was rejected before and has not changed is still rejected.
            self.rejected.append(outcome)
            self._rejected_before += outcome.kind is not OutcomeKind.REJECTED

    def pass_over(self, path: str, reason: str) -> None:
        """A file or folder that can have no key, so that nothing else tells of it."""
        self.passed_over.append((path, reason))

    def leave_out(self, found: LeftOut) -> None:
        """What is excluded: a folder with all that is in it is not counted, only named."""
        if not found.is_dir:
            self._skip(found.path, found.reason)
        elif self._verbose:
            self._skipped_names.append((f"{found.path}/", found.reason))

    def _skip(self, path: str, reason: str) -> None:
        self.skipped[_kind_of(path)] += 1
        if self._verbose:
            self._skipped_names.append((path, reason))

    def keep(self, hidden: Iterable[Hidden]) -> None:
        """Records of files that cannot be seen: one reason for each."""
        self.kept.update(hidden)

    @property
    def searchable(self) -> int:
        """How many images the index holds that a search can find."""
        held = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)
        return sum(self.counts[kind] for kind in held) - self._rejected_before

    @property
    def complete(self) -> bool:
        """Whether every image that was met is searchable now."""
        return not (self.rejected or self.failed or self.passed_over or self.kept)

    @property
    def summary(self) -> str:
        """Such as `80 indexed (27 with known content), 4 unchanged, 1 rejected`."""
        told = [self._counted(kind) for kind in OutcomeKind if self.counts[kind]]
        if self.passed_over:
            told.append(f"{len(self.passed_over):,} passed over")
        if self.kept:
            told.append(f"{self.kept.total():,} kept")
        return ", ".join(told) or "no images"

    def _counted(self, kind: OutcomeKind) -> str:
        known = kind is OutcomeKind.INDEXED and self._reused
        suffix = f" ({self._reused:,} with known content)" if known else ""
        return f"{self.counts[kind]:,} {kind.value}{suffix}"

    @property
    def skipped_summary(self) -> str:
        """Such as `12 files skipped: 8 .mov, 3 .psd, 1 .txt`; "" where none is."""
        if not (count := self.skipped.total()):
            return ""
        kinds = sorted(self.skipped.items(), key=lambda each: (-each[1], each[0]))
        told = [f"{number:,} {kind}" for kind, number in kinds[:MOST_KINDS]]
        if rest := kinds[MOST_KINDS:]:
            word = "kind" if len(rest) == 1 else "kinds"
            others = sum(number for _, number in rest)
            told.append(f"{others:,} of {len(rest):,} other {word}")
        return f"{count:,} {'file' if count == 1 else 'files'} skipped: {', '.join(told)}"

    def lines(self) -> list[str]:
        """One line for each image that is not searchable, with the reason; last, what is skipped.

        With `verbose` one for each file that is skipped, and for each folder.
        """
        named = [f"skipped {printable(path)}: {reason}" for path, reason in self._skipped_names]
        skipped = filter(None, [self.skipped_summary])
        return [*_lines("rejected", self.rejected), *self.troubles(), *named, *skipped]

    def troubles(self) -> list[str]:
        """The lines of what the decoder has not seen."""
        return [
            *_lines("failed", self.failed),
            *(f"passed over {printable(path)}: {reason}" for path, reason in self.passed_over),
            *(_kept(hidden, count) for hidden, count in self.kept.items()),
        ]


def _lines(word: str, outcomes: Iterable[Outcome]) -> list[str]:
    return [printable(f"{word} {outcome.ref.key}: {outcome.reason}") for outcome in outcomes]


def _kept(hidden: Hidden, count: int) -> str:
    """Such as `kept 27 records below animals: Permission denied; --forget-missing deletes them`."""
    records, them = ("1 record", "it") if count == 1 else (f"{count:,} records", "them")
    below = f" below {printable(hidden.where)}" if hidden.where else ""
    return f"kept {records}{below}: {hidden.reason}; --forget-missing deletes {them}"


def _kind_of(path: str) -> str:
    """The extension in lower case; what follows a dot in a sentence is none."""
    suffix = PurePosixPath(path).suffix.lower()
    plain = len(suffix) <= MOST_SUFFIX and suffix.isprintable() and " " not in suffix
    return suffix if suffix and plain else NO_SUFFIX


def printable(key: str) -> str:
    """A key as one line of text: a file's name may hold what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)


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
