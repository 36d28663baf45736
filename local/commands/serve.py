"""`imagesearch serve`: index a folder, keep it in step, serve the API and the search page."""

import os
import signal
from functools import partial

from rich.console import Console

from imagesearch.uploads import Allowed
from local import functions
from local.api_keys import ApiKeys
from local.cli_options import API_KEY
from local.commands.index import say
from local.filling import Filling
from local.output import printable
from local.sweeping import sweep
from local.sync.folder_sync import FolderSync
from local.sync.live_report import reporting
from local.sync.reconcile import never, take_into_use
from local.termination import interrupt
from local.web.application import application
from local.web.auth import is_loopback
from local.web.server import Server
from local.workspace import Workspace


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
    engine = take_into_use(workspace, model)
    say(console, f"serving {printable(str(workspace.folder))} at {server.url}")
    sweep(workspace.derived)
    keys = ApiKeys.from_environment(os.environ)
    if not keys and not is_loopback(host):
        say(console, f"anyone who reaches {host} can {_what(allowed)} these images: set {API_KEY}")
    filling = Filling(engine, server.url, console, (lambda _: True) if forget else never)
    handler = reporting(functions.index_images(), engine.store, engine.index, partial(say, console))
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        search = functions.search(sync.queue)
        server.run(application(workspace, search, host, keys, engine.settings))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def _what(allowed: Allowed) -> str:
    more = {"add to": allowed.uploads, "delete": allowed.deletions}
    return " and ".join(["see", *(what for what, may in more.items() if may)])
