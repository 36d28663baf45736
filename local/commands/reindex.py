"""`imagesearch reindex`: build the index of the next model, report the switch, drop old indexes.

A switch between models has two sides: the current model, which serves searches, and the next one,
whose index is built meanwhile.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.commands.serve import interrupt
from local.data_directory import DATA_DIR
from local.errors import Interrupted, UsageError
from local.options import (
    INCOMPLETE,
    RESUMABLE,
    DataDir,
    Exclude,
    Json,
    NoDefaultExcludes,
    set_excludes,
)
from local.workspace import Workspace, selected_workspace

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.indexing.consistency import ConsistencyReport, Drift
    from imagesearch.settings import Settings
    from local.sync.reconcile import FolderEngine


def reindex(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="Indexed folder, or s3://BUCKET of a deployed system. Default: the last folder.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The next model; with --status and --drop-old, the current model."),
    ] = None,
    next_model: Annotated[
        str | None, typer.Option(help="With --status and --drop-old, the next model.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep the new index in sync until stopped.")
    ] = False,
    status: Annotated[
        bool,
        typer.Option("--status", help="Report the indexes; exit status 0 if they are consistent."),
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Delete the indexes of other models.")
    ] = False,
    index_url: Annotated[
        str | None, typer.Option(help="OpenSearch endpoint of the deployed system.")
    ] = None,
    index_prefix: Annotated[
        str, typer.Option(help="Prefix of the deployed system's index names.")
    ] = "images",
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Build the index of another model while the current one keeps serving."""
    if status + drop_old + follow > 1:
        raise UsageError("give only one of --status, --drop-old and --follow")
    deployed = folder if folder and folder.startswith("s3://") else None
    if not deployed:
        set_excludes(_workspace(folder, data_dir).folder, exclude, no_default_excludes)
    if not (status or drop_old):
        if deployed:
            raise UsageError(
                "a deployed system builds the next index itself: deploy it with NextModelName,"
                f" then run `imagesearch backfill {deployed} --models next`"
            )
        _build(_workspace(folder, data_dir), model, follow, as_json)
        return

    if deployed:
        switch = deployed_switch(deployed, index_url, index_prefix, model, next_model, data_dir)
    else:
        switch = local_switch(_workspace(folder, data_dir), model, next_model)
    if drop_old:
        drop_others(switch, as_json)
    elif not print_status(switch, as_json):
        raise typer.Exit(INCOMPLETE)


def _workspace(folder: str | None, data_dir: Path) -> Workspace:
    workspace = selected_workspace(Path(folder) if folder else None, data_dir)
    workspace.must_be_indexed()
    return workspace


def _build(workspace: Workspace, model: str | None, follow: bool, as_json: bool) -> None:
    if not model:
        raise UsageError("name the next model: --model NAME, or --model with its folder")
    from rich.console import Console

    console = Console(stderr=True)
    if follow:
        build_and_follow(workspace, model, console, as_json)
        return
    try:
        complete = build_once(workspace, model, console, as_json)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    if not complete:
        raise typer.Exit(INCOMPLETE)


def build_once(workspace: Workspace, model: str, console: Console, as_json: bool = False) -> bool:
    """Bring the new index up to date; True if every image is searchable in it."""
    from imagesearch import bootstrap
    from local.sync.initial_indexing import index_with_progress
    from local.terminal.tables import print_json_lines

    if not (engine := _next_engine(workspace, model, console)):
        if as_json:
            print_json_lines([{"index": "current", "complete": True}])
        return True
    report = index_with_progress(engine, console)
    if as_json:
        print_json_lines([{"index": bootstrap.index_name(engine.settings), **report.as_json()}])
    return report.complete


def build_and_follow(
    workspace: Workspace, model: str, console: Console, as_json: bool = False
) -> None:
    """Build the new index and keep it in sync with the folder until SIGINT or SIGTERM."""
    from local import lambda_runtime
    from local.sync.folder_sync import FolderSync
    from local.sync.initial_indexing import InitialIndexing, print_ready
    from local.sync.live_report import reporting
    from local.terminal.output import print_line
    from local.terminal.tables import print_json_lines

    signal.signal(signal.SIGTERM, interrupt)
    engine = _next_engine(workspace, model, console)
    if not engine:
        return
    say = partial(print_line, console)
    ready = partial(print_ready, model)
    if as_json:
        ready = partial(print_json_lines, [{"ready": model}])
    indexing = InitialIndexing(engine, console, ready)
    function = lambda_runtime.index_images(engine.settings, engine.indexer)
    handler = reporting(function, engine.store, engine.index, say)
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, indexing.outcomes)
    sync.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("Stopped. The new index is brought up to date when its model is activated.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def _next_engine(workspace: Workspace, model: str, console: Console) -> FolderEngine | None:
    """The engine of the next model; None if the current model uses the same index."""
    from imagesearch import bootstrap
    from imagesearch.embedding.model_catalog import STARTER
    from local.lambda_runtime import settings_of
    from local.model_switch.install import ensure_tested
    from local.models.installed import model_folder, model_name
    from local.sync.reconcile import open_engine
    from local.terminal.output import print_line

    data_dir = workspace.directory.parent
    current = model_folder(workspace.model or STARTER, data_dir)
    next_folder = model_folder(model, data_dir)
    names = [
        bootstrap.index_name(settings_of(workspace, folder)) for folder in (current, next_folder)
    ]
    if names[0] == names[1]:
        workspace.expect(None)
        print_line(console, f"{model} uses the current index: there is nothing to build")
        return None
    ensure_tested(model, data_dir, console)
    workspace.expect(model_name(next_folder, data_dir))
    return open_engine(workspace, model)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """Settings with the current model and with the next one, or None without a next model."""

    current: Settings
    next: Settings | None


def local_switch(workspace: Workspace, model: str | None, next_model: str | None) -> ModelSwitch:
    """The switch of a folder; the models default to those recorded. Raises UsageError."""
    from imagesearch.embedding.model_catalog import STARTER
    from local.lambda_runtime import settings_of
    from local.models.installed import model_folder

    data_dir = workspace.directory.parent

    def settings(name: str) -> Settings:
        return settings_of(workspace, model_folder(name, data_dir))

    following = next_model or workspace.next_model
    return ModelSwitch(
        settings(model or workspace.model or STARTER), settings(following) if following else None
    )


def deployed_switch(
    bucket: str,
    index_url: str | None,
    index_prefix: str,
    model: str | None,
    next_model: str | None,
    data_dir: Path,
) -> ModelSwitch:
    """The switch of a deployed system, read with the user's AWS credentials. Raises UsageError."""
    from imagesearch.settings import Settings
    from local.aws.clients import s3_location
    from local.models.installed import model_folder

    if not (index_url and model):
        raise UsageError("a deployed system needs --index-url, and --model with its current model")

    def settings(name: str) -> Settings:
        names = {"BUCKET": s3_location(bucket).bucket, "INDEX_URL": index_url}
        uri = name if name.startswith("s3://") else str(model_folder(name, data_dir))
        return Settings.from_environment(names | {"INDEX_PREFIX": index_prefix, "MODEL_URI": uri})

    return ModelSwitch(settings(model), settings(next_model) if next_model else None)


def print_status(switch: ModelSwitch, as_json: bool = False) -> bool:
    """Print one line an index; True if all of them are consistent with the bucket."""
    from dataclasses import asdict

    from imagesearch import bootstrap
    from local.terminal.tables import print_json_lines

    consistent = True
    for role, settings in (("current", switch.current), ("next", switch.next)):
        if settings:
            report = _consistency(settings)
            consistent = consistent and report.is_consistent
            name, done = bootstrap.index_name(settings), f"{report.done:,} of {report.images:,}"
            if as_json:
                row = {"role": role, "index": name, "consistent": report.is_consistent}
                print_json_lines([row | {"done": report.done} | asdict(report)])
                continue
            print(f"{role:7}  {name}  {done}: {consistency_text(report)}")  # noqa: T201
    return consistent


def drop_others(switch: ModelSwitch, as_json: bool = False) -> None:
    """Drop every index except those of the current and the next model.

    Raises UsageError unless the current index is consistent: an older one may still be needed.
    """
    from imagesearch import bootstrap
    from local.terminal.tables import print_json_lines

    kept = {bootstrap.index_name(each) for each in (switch.current, switch.next) if each}
    report = _consistency(switch.current)
    if not report.is_consistent:
        name = bootstrap.index_name(switch.current)
        raise UsageError(
            f"no index was dropped: the current index {name} has {consistency_text(report)}"
        )
    for name, index in bootstrap.vector_indexes(switch.current).items():
        if name not in kept:
            index.drop()
            if as_json:
                print_json_lines([{"dropped": name}])
            else:
                print(f"dropped {name}")  # noqa: T201


def consistency_text(report: ConsistencyReport) -> str:
    """Such as `2 pending (a.jpg, b.jpg)`, or `consistent with the bucket`."""
    differences = [
        _drift_text(report.pending, "pending"),
        _drift_text(report.orphaned, "no longer in the bucket"),
    ]
    rejected = f", {report.rejected:,} of them rejected" if report.rejected else ""
    return ", ".join(filter(None, differences)) or f"consistent with the bucket{rejected}"


def _drift_text(drift: Drift, words: str) -> str:
    from local.terminal.output import printable

    if not drift.count:
        return ""
    more = ", …" if drift.count > len(drift.keys) else ""
    return f"{drift.count:,} {words} ({', '.join(map(printable, drift.keys))}{more})"


def _consistency(settings: Settings) -> ConsistencyReport:
    from imagesearch import bootstrap
    from imagesearch.indexing.consistency import check_consistency

    return check_consistency(bootstrap.image_store(settings), bootstrap.vector_index(settings))
