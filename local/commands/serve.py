"""`imagesearch serve`: index a folder, keep it in step, serve the API and the search page.

Brings the whole index into step with the folder, and says when it is so for the first time.

Clears away what nobody asks for any more, as a bucket's lifecycle does.

Makes a request to terminate what Ctrl-C is: work under way is ended in order.
"""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from imagesearch.domain.storage_keys import UPLOADS
from imagesearch.indexing.planner import Outcome
from imagesearch.uploads import Allowed
from local import lambda_runtime
from local.commands.index import say, tell
from local.options import API_KEY
from local.output import Report, printable
from local.sync.folder_sync import FolderSync
from local.sync.live_report import reporting
from local.sync.reconcile import FolderEngine, Forget, activate, never
from local.web.application import application
from local.web.auth import ApiKeys, is_loopback
from local.web.server import Server
from local.workspace import Workspace

FOUND_WITHIN_SECONDS = 30.0


class InitialIndexing:
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


KEPT_SECONDS = 86_400.0


def clean_up(derived: Path, now: float | None = None) -> None:
    """Notes of uploads that are older than a day; what cannot be cleared stays for another time."""
    oldest = (time.time() if now is None else now) - KEPT_SECONDS
    for note in (derived / UPLOADS).glob("*"):
        try:
            if note.stat().st_mtime < oldest:
                note.unlink()
        except OSError:
            continue


def interrupt(*_: Any) -> None:
    """A handler for signal.SIGTERM."""
    raise KeyboardInterrupt


def serve_folder(
    workspace: Workspace,
    model: str,
    host: str,
    port: int,
    allowed: Allowed,
    console: Console,
    forget: bool = False,
) -> None:
    """Serve until the process is interrupted or terminated.

    With `forget`, records of what cannot be seen when it starts are deleted; not so later.
    """
    os.environ["ALLOW_UPLOADS"] = str(allowed.uploads)
    os.environ["ALLOW_DELETE"] = str(allowed.deletions)
    os.environ["ALLOW_URLS"] = str(allowed.urls)
    signal.signal(signal.SIGTERM, interrupt)
    server = Server(host, port)
    engine = activate(workspace, model)
    say(console, f"serving {printable(str(workspace.folder))} at {server.url}")
    clean_up(workspace.derived)
    keys = ApiKeys.from_environment(os.environ)
    if not keys and not is_loopback(host):
        say(console, f"anyone who reaches {host} can {_what(allowed)} these images: set {API_KEY}")
    filling = InitialIndexing(engine, server.url, console, (lambda _: True) if forget else never)
    handler = reporting(
        lambda_runtime.index_images(), engine.store, engine.index, partial(say, console)
    )
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        search = lambda_runtime.search(sync.queue)
        server.run(application(workspace, search, host, keys, engine.settings))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def _what(allowed: Allowed) -> str:
    more = {"add to": allowed.uploads, "delete": allowed.deletions}
    return " and ".join(["see", *(what for what, may in more.items() if may)])
