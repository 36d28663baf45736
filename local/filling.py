"""Brings the whole index into step with the folder, and says when it is so for the first time."""

import time
from collections.abc import Iterator

from rich.console import Console

from imagesearch.indexing.planner import Outcome
from local.commands.index import say, tell
from local.output import Report
from local.sync.reconcile import FolderEngine, Forget, never

FOUND_WITHIN_SECONDS = 30.0


class Filling:
    """Reconciles with progress the first time, and quietly after that; `what` is then ready.

    Later it tells what has become of files, links and folders that it had no trouble with before.
    `forget` is asked the first time alone.
    """

    def __init__(
        self, engine: FolderEngine, what: str, console: Console, forget: Forget = never
    ) -> None:
        self._engine = engine
        self._what = what
        self._console = console
        self._forget = forget
        self._ready = False
        self._told: set[str] = set()

    def outcomes(self) -> Iterator[Outcome]:
        report = Report()
        started = time.perf_counter()
        console = Console(quiet=True) if self._ready else self._console
        forget = never if self._ready else self._forget
        yield from self._engine.reconcile(report, console, forget)
        tell(report, time.perf_counter() - started, console)
        if self._ready:
            self._tell_new(report)
        self._told = set(report.troubles())
        if not self._ready:
            self._wait_until_found(report.searchable)
            self._ready = True
            print(f"ready {self._what}", flush=True)  # noqa: T201

    def _tell_new(self, report: Report) -> None:
        lines = report.troubles()
        for line in lines:
            if line not in self._told:
                say(self._console, line)
        if self._told and not lines:
            say(self._console, "every file and folder can be seen again")

    def _wait_until_found(self, images: int) -> None:
        """A server finds what was written a moment later; what was deleted since, never."""
        deadline = time.monotonic() + FOUND_WITHIN_SECONDS
        while self._engine.index.health().images < images and time.monotonic() < deadline:
            time.sleep(0.1)
