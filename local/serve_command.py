"""`imagesearch serve`: index a folder, keep it in step, serve the API and the search page."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from rich.console import Console

from imagesearch.planning import Outcome
from local import functions
from local.folder_engine import FolderEngine, open_engine
from local.guard import is_loopback
from local.index_command import say, tell
from local.live_report import reporting
from local.report import Report, printable
from local.server import Server
from local.sync import FolderSync
from local.workspace import Workspace

API_KEY = "IMAGESEARCH_API_KEY"


def serve_folder(workspace: Workspace, model: str, host: str, port: int, console: Console) -> None:
    """Serve until the process is interrupted or terminated."""
    signal.signal(signal.SIGTERM, _interrupt)
    server = Server(host, port)
    engine = open_engine(workspace, model)
    say(console, f"serving {printable(str(workspace.folder))} at {server.url}")
    api_key = os.environ.get(API_KEY)
    if not api_key and not is_loopback(host):
        say(console, f"anyone who reaches {host} can see these images: set {API_KEY}")
    filling = _Filling(engine, server.url, console)
    handler = reporting(functions.index_images(), engine.index, partial(say, console))
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        server.run(engine.store, functions.search(), api_key)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


class _Filling:
    """Reconciles with progress the first time, and quietly after that."""

    def __init__(self, engine: FolderEngine, url: str, console: Console) -> None:
        self._engine = engine
        self._url = url
        self._console = console
        self._ready = False

    def outcomes(self) -> Iterator[Outcome]:
        report = Report()
        started = time.perf_counter()
        console = Console(quiet=True) if self._ready else self._console
        yield from self._engine.reconcile(report, console)
        tell(report, time.perf_counter() - started, console)
        if not self._ready:
            self._ready = True
            print(f"ready {self._url}", flush=True)  # noqa: T201


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
