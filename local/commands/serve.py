"""`imagesearch serve`: keep a folder's index in sync, and serve the API and the search page."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.data_directory import DATA_DIR
from local.errors import Interrupted, UsageError
from local.options import (
    API_KEY,
    RESUMABLE,
    DataDir,
    Exclude,
    ForgetMissing,
    ImageFolder,
    NoDefaultExcludes,
    set_excludes,
)
from local.terminal.completion import model_names
from local.workspace import Workspace, workspace_of

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.uploads import Permissions
    from local.model_switch.selection import Selection
    from local.web.application import Access

UPLOAD_RECORD_SECONDS = 86_400.0


def serve(
    folder: ImageFolder = Path(),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. One that other machines can reach requires an API key."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    no_key: Annotated[
        bool,
        typer.Option("--no-key", help="Give everyone who can reach the address access."),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name of the server in requests, in addition to its address and those of"
            " loopback addresses; repeatable.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            help="Path prefix of a reverse proxy, such as /photos. The header X-Forwarded-Prefix"
            " replaces it."
        ),
    ] = "",
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
    feedback_texts: Annotated[
        bool,
        typer.Option(
            "--feedback-texts",
            help="Store the texts of queries with feedback, for `models compare --feedback`.",
        ),
    ] = False,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    data_dir: DataDir = DATA_DIR,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model name, or path of a model folder. A missing model is downloaded, and a"
            " folder that is indexed with another model switches when the new index is complete.",
            autocompletion=model_names,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Download a missing model without a prompt.")
    ] = False,
    forget_missing: ForgetMissing = False,
) -> None:
    """Index a folder, keep the index in sync, and serve the API and the search page."""
    from local.web.root_path import root_path_of

    root = root_path_of(root_path)
    access = access_of(host, allow_host or (), no_key=no_key)
    workspace = workspace_of(folder, data_dir)
    set_excludes(workspace.folder, exclude, no_default_excludes)
    from rich.console import Console

    from imagesearch.uploads import Permissions
    from local.model_switch.selection import select_models

    console = Console(stderr=True)
    try:
        selection = select_models(model, workspace, console, yes=yes)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    try:
        permissions = Permissions(allow_uploads, allow_delete, allow_urls)
        os.environ["FEEDBACK_TEXTS"] = str(feedback_texts)
        serve_folder(workspace, selection, access, port, permissions, console, forget_missing, root)
    except KeyboardInterrupt:
        return


def serve_folder(
    workspace: Workspace,
    selection: Selection,
    access: Access,
    port: int,
    permissions: Permissions,
    console: Console,
    forget: bool = False,
    root_path: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM.

    With `forget`, the first run deletes the records of unavailable files; later runs keep them.
    """
    from imagesearch.settings import Settings
    from local.model_switch.served_folder import ServedFolder
    from local.model_switch.switch import ModelSwitch
    from local.running_server import announced
    from local.sync.reconcile import activate, keep_records
    from local.terminal.output import print_line, printable
    from local.web.application import application
    from local.web.hosts import binds_loopback
    from local.web.server import Server

    access.keys.check_bindings(os.environ.get("KEY_COLLECTIONS", ""))
    os.environ["ALLOW_UPLOADS"] = str(permissions.uploads)
    os.environ["ALLOW_DELETE"] = str(permissions.deletions)
    os.environ["ALLOW_URLS"] = str(permissions.urls)
    signal.signal(signal.SIGTERM, interrupt)
    server = Server(access.host, port)
    forgetting = (lambda _: True) if forget else keep_records
    say = partial(print_line, console)
    # No variable here refers to the engine, whose model may be replaced.
    served = ServedFolder(activate(workspace, selection.model), console, server.url, forgetting)
    say(f"serving {printable(str(workspace.folder))} at {server.url}")
    clean_up(workspace.derived)
    if not access.keys and not binds_loopback(access.host):
        operations = _enabled_operations(permissions)
        say(f"anyone who can reach {access.host} can {operations} these images")
    switch = ModelSwitch(served, say)
    served.next_model = switch.status
    served.start()
    try:
        if selection.next_model:
            switch.start(selection.next_model)
        settings = Settings.from_environment(os.environ)
        with announced(workspace.directory, server.url):
            server.run(
                application(
                    workspace, served.gateway, served.lists, access, settings, switch, root_path
                )
            )
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        switch.stop()
        served.stop()


def access_of(host: str, allowed_hosts: Sequence[str], *, no_key: bool) -> Access:
    """The access to a server that is bound to `host`, with the API keys of the environment.

    Raises UsageError if other machines can reach it, it has no key, and `no_key` is not set.
    """
    from local.web.application import Access
    from local.web.auth import ApiKeys
    from local.web.hosts import AllowedHosts, binds_loopback

    keys, hosts = ApiKeys.from_environment(os.environ), AllowedHosts(host, allowed_hosts)
    if keys and no_key:
        raise UsageError(f"--no-key contradicts {API_KEY}: leave one of them out")
    if not (keys or no_key or binds_loopback(host)):
        raise UsageError(
            f"--host {host} lets other machines reach this server: set {API_KEY} to a secret of"
            " your choice, or use --no-key to give everyone access"
        )
    return Access(host, keys, hosts)


def interrupt(*_: Any) -> None:
    """A signal handler that makes SIGTERM end the process in order, as Ctrl-C does."""
    raise KeyboardInterrupt


def clean_up(derived: Path, now: float | None = None) -> None:
    """Delete records of uploads and searches, and partial files, that are older than a day.

    One that cannot be deleted is left for later.
    """
    from imagesearch.adapters.filesystem.derived_store import PARTIAL
    from imagesearch.domain.storage_keys import SEARCHES, UPLOADS

    oldest = (time.time() if now is None else now) - UPLOAD_RECORD_SECONDS
    patterns = (f"{UPLOADS}*", f"{SEARCHES}*", f"**/{PARTIAL}*")
    for record in (path for pattern in patterns for path in derived.glob(pattern)):
        try:
            if record.stat().st_mtime < oldest:
                record.unlink()
        except OSError:
            continue


def _enabled_operations(permissions: Permissions) -> str:
    """Such as `see and delete`."""
    optional = {"add to": permissions.uploads, "delete": permissions.deletions}
    return " and ".join(["see", *(verb for verb, granted in optional.items() if granted)])
