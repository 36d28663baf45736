"""`imagesearch serve`: index a folder, keep it in step, serve the API and the search page."""

import os
import signal
from functools import partial

from rich.console import Console

from local import functions
from local.application import application
from local.filling import Filling
from local.folder_engine import take_into_use
from local.guard import is_loopback
from local.index_command import say
from local.live_report import reporting
from local.report import printable
from local.server import Server
from local.sync import FolderSync
from local.termination import interrupt
from local.workspace import Workspace

API_KEY = "IMAGESEARCH_API_KEY"


def serve_folder(workspace: Workspace, model: str, host: str, port: int, console: Console) -> None:
    """Serve until the process is interrupted or terminated."""
    signal.signal(signal.SIGTERM, interrupt)
    server = Server(host, port)
    engine = take_into_use(workspace, model)
    say(console, f"serving {printable(str(workspace.folder))} at {server.url}")
    api_key = os.environ.get(API_KEY)
    if not api_key and not is_loopback(host):
        say(console, f"anyone who reaches {host} can see these images: set {API_KEY}")
    filling = Filling(engine, server.url, console)
    handler = reporting(functions.index_images(), engine.store, engine.index, partial(say, console))
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        search = functions.search(sync.queue)
        server.run(application(workspace, search, host, api_key, engine.settings.cors_origin))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()
