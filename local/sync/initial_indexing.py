"""Indexing of a whole folder with progress on the terminal: once, or first and then repeatedly."""

import math
import time
from collections.abc import Callable, Iterator

from rich.console import Console

from imagesearch.indexing.planner import Outcome
from local.sync.reconcile import FolderEngine, Forget, keep_records
from local.sync.report import Report
from local.terminal.output import print_line

MAX_VISIBILITY_SECONDS = 30.0
CLEAN_UP_EVERY_SECONDS = 24 * 3600.0


def index_with_progress(
    engine: FolderEngine, console: Console, forget: Forget = keep_records, verbose: bool = False
) -> Report:
    """Process every image, print the report, and return it.

    With `verbose`, the report names each skipped file.
    """
    report = Report(verbose)
    started = time.perf_counter()
    for _ in engine.reconcile(report, console, forget):
        pass
    engine.clean_up()
    _print_report(report, time.perf_counter() - started, console)
    return report


class InitialIndexing:
    """Reconciles with progress the first time, then calls `ready`.

    Later runs are silent, except for problems with files that had none before. `forget` applies to
    the first run only. With `progress`, the first run calls it with the numbers of done and of all
    images, and shows no progress on the console.
    """

    def __init__(
        self,
        engine: FolderEngine,
        console: Console,
        ready: Callable[[], None],
        forget: Forget = keep_records,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._engine = engine
        self._console = console
        self._call_when_ready = ready
        self._forget = forget
        self._progress = progress
        self._ready = False
        self._cleaned_up = -math.inf
        self._reported: set[str] = set()

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes of one run over the folder. Raises Unavailable."""
        report = Report()
        started = time.perf_counter()
        silent = self._ready or self._progress is not None
        console = Console(quiet=True) if silent else self._console
        forget = keep_records if self._ready else self._forget
        progress = None if self._ready else self._progress
        yield from self._engine.reconcile(report, console, forget, progress)
        if self._ready:
            self._print_new_problems(report)
        else:
            _print_report(report, time.perf_counter() - started, self._console)
        self._reported = set(report.problems())
        if not self._ready:
            self._wait_until_visible(report.searchable)
            self._ready = True
            self._call_when_ready()
        if time.monotonic() > self._cleaned_up + CLEAN_UP_EVERY_SECONDS:
            self._cleaned_up = time.monotonic()
            self._engine.clean_up()

    def _print_new_problems(self, report: Report) -> None:
        lines = report.problems()
        for line in lines:
            if line not in self._reported:
                print_line(self._console, line)
        if self._reported and not lines:
            print_line(self._console, "all files and folders are available again")

    def _wait_until_visible(self, images: int) -> None:
        """Wait for the server's refresh.

        The deadline covers images that were deleted since: their count is never reached.
        """
        deadline = time.monotonic() + MAX_VISIBILITY_SECONDS
        while self._engine.index.health().images < images and time.monotonic() < deadline:
            time.sleep(0.1)


def print_ready(text: str) -> None:
    """Print on standard output that every image is searchable."""
    print(f"ready {text}", flush=True)  # noqa: T201


def _print_report(report: Report, seconds: float, console: Console) -> None:
    for line in [*report.lines(), f"{report.summary} in {seconds:.1f} s"]:
        print_line(console, line)
