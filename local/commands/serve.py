"""`imagesearch serve`: keep a folder's index in sync, and serve the API and the search page."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.options import (
    API_KEY,
    DATA_DIR,
    DataDir,
    Exclude,
    ForgetMissing,
    ImageFolder,
    Model,
    NoDefaultExcludes,
    set_excludes,
)
from local.workspace import Workspace, workspace_of

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.uploads import Permissions

UPLOAD_RECORD_SECONDS = 86_400.0


def serve(
    folder: ImageFolder = Path(),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    allow_uploads: Annotated[
        bool, typer.Option("--allow-uploads", help="Allow uploads into the folder.")
    ] = False,
    allow_delete: Annotated[
        bool,
        typer.Option("--allow-delete", help="Allow deletion: images move out of the folder."),
    ] = False,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Allow image URLs, which the server fetches.")
    ] = False,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
    forget_missing: ForgetMissing = False,
) -> None:
    """Index a folder, keep the index in sync, and serve the API and the search page."""
    workspace = workspace_of(folder, data_dir)
    set_excludes(workspace.folder, exclude, no_default_excludes)
    from rich.console import Console

    from imagesearch.uploads import Permissions
    from local.models import model_to_index_with

    try:
        selected = model_to_index_with(model, workspace)
        permissions = Permissions(allow_uploads, allow_delete, allow_urls)
        console = Console(stderr=True)
        serve_folder(workspace, selected, host, port, permissions, console, forget_missing)
    except KeyboardInterrupt:
        return


def serve_folder(
    workspace: Workspace,
    model: str,
    host: str,
    port: int,
    permissions: Permissions,
    console: Console,
    forget: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM.

    With `forget`, the first run deletes the records of unavailable files; later runs keep them.
    """
    from local import lambda_runtime
    from local.output import print_line, printable
    from local.running_server import announced
    from local.sync.folder_sync import FolderSync
    from local.sync.initial_indexing import InitialIndexing
    from local.sync.live_report import reporting
    from local.sync.reconcile import activate, keep_records
    from local.web.application import application
    from local.web.auth import ApiKeys, is_loopback
    from local.web.server import Server

    os.environ["ALLOW_UPLOADS"] = str(permissions.uploads)
    os.environ["ALLOW_DELETE"] = str(permissions.deletions)
    os.environ["ALLOW_URLS"] = str(permissions.urls)
    signal.signal(signal.SIGTERM, interrupt)
    server = Server(host, port)
    engine = activate(workspace, model)
    say = partial(print_line, console)
    say(f"serving {printable(str(workspace.folder))} at {server.url}")
    clean_up(workspace.derived)
    keys = ApiKeys.from_environment(os.environ)
    if not keys and not is_loopback(host):
        say(
            f"anyone who can reach {host} can {_enabled_operations(permissions)} these images:"
            f" set {API_KEY}"
        )
    indexing = InitialIndexing(
        engine, server.url, console, (lambda _: True) if forget else keep_records
    )
    handler = reporting(lambda_runtime.index_images(), engine.store, engine.index, say)
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, indexing.outcomes)
    sync.start()
    try:
        search = lambda_runtime.search(sync.queue)
        with announced(workspace.directory, server.url):
            server.run(application(workspace, search, host, keys, engine.settings))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def interrupt(*_: Any) -> None:
    """A signal handler that makes SIGTERM end the process in order, as Ctrl-C does."""
    raise KeyboardInterrupt


def clean_up(derived: Path, now: float | None = None) -> None:
    """Delete upload records older than a day; one that cannot be deleted is left for later."""
    from imagesearch.domain.storage_keys import UPLOADS

    oldest = (time.time() if now is None else now) - UPLOAD_RECORD_SECONDS
    for record in (derived / UPLOADS).glob("*"):
        try:
            if record.stat().st_mtime < oldest:
                record.unlink()
        except OSError:
            continue


def _enabled_operations(permissions: Permissions) -> str:
    """Such as `see and delete`."""
    optional = {"add to": permissions.uploads, "delete": permissions.deletions}
    return " and ".join(["see", *(verb for verb, granted in optional.items() if granted)])
