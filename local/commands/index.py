"""`imagesearch index`: bring the index of a folder up to date."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from local.data_directory import DATA_DIR
from local.errors import Interrupted
from local.options import (
    INCOMPLETE,
    RESUMABLE,
    DataDir,
    Exclude,
    ForgetMissing,
    ImageFolder,
    Json,
    Model,
    NoDefaultExcludes,
    set_excludes,
)
from local.workspace import workspace_of

if TYPE_CHECKING:
    from rich.console import Console

    from local.sync.reconcile import Forget
    from local.sync.report import Report


def index(
    folder: ImageFolder,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name each skipped file and the reason.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
    all_files: Annotated[
        bool, typer.Option("--all", help="Read every file, including unchanged ones.")
    ] = False,
    forget_missing: ForgetMissing = False,
    as_json: Json = False,
) -> None:
    """Index a folder; unchanged files are not read again.

    Exit status 1: an image is not searchable; a message states the reason.
    """
    workspace = workspace_of(folder, data_dir)
    set_excludes(workspace.folder, exclude, no_default_excludes)
    from rich.console import Console

    from local.model_switch.install import ensure_tested
    from local.models.choice import model_to_index_with
    from local.sync.initial_indexing import index_with_progress
    from local.sync.reconcile import activate

    console = Console(stderr=True)
    forget = forget_policy(forget_missing, console)
    try:
        chosen = model_to_index_with(model, workspace)
        ensure_tested(chosen, data_dir, console)
        engine = activate(workspace, chosen, all_files)
        report = index_with_progress(engine, console, forget, verbose)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    if as_json:
        from local.terminal.tables import print_json_lines

        print_json_lines([{"folder": str(workspace.folder), **report.as_json()}])
    if not report.complete:
        raise typer.Exit(INCOMPLETE)


def forget_policy(forget_missing: bool, console: Console) -> Forget:
    """Decides on the records of unavailable files: by the option, else by a prompt on a terminal.

    Without a terminal the records are kept.
    """
    from local.sync.reconcile import keep_records

    if forget_missing:
        return lambda _: True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return partial(_confirm, console)
    return keep_records


def _confirm(console: Console, report: Report) -> bool:
    from local.terminal.output import print_line

    for line in report.problems():
        print_line(console, line)
    try:
        return typer.confirm("Delete the records of unavailable files?", err=True)
    except typer.Abort:
        return False
