"""`imagesearch reindex` as it is typed: fill the next model's index, say how far it is, tidy up.

`imagesearch reindex`: fill the next model's index beside the one in use.

A switch between two models: the settings of the system in use, and of the one to come.

`imagesearch reindex --status` and `--drop-old`: how far a switch is, and its end.
"""

import signal
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.indexing.consistency import ConsistencyReport, Drift, check_consistency
from imagesearch.settings import Settings
from local import lambda_runtime as functions
from local.aws import s3_location
from local.commands.index import fill, say
from local.commands.serve import InitialIndexing, interrupt
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models import STARTER, model_folder, model_name
from local.options import (
    DATA_DIR,
    INTERRUPTED,
    REJECTED,
    DataDir,
    Exclude,
    NoDefaultExcludes,
    use_excludes,
)
from local.output import printable
from local.sync.folder_sync import FolderSync
from local.sync.live_report import reporting
from local.sync.reconcile import FolderEngine, open_engine
from local.workspace import Workspace, last_used, workspace_of

Bucket = Annotated[
    str | None,
    typer.Argument(
        metavar="FOLDER",
        help="Default: the last one indexed. s3://BUCKET looks at a deployed system.",
    ),
]
Filled = Annotated[
    str | None,
    typer.Option(help="The model to fill an index for; with --status, --drop-old the one in use."),
]
Coming = Annotated[str | None, typer.Option(help="With --status, --drop-old: the one to come.")]
Follow = Annotated[bool, typer.Option("--follow", help="Keep the new index in step until stopped.")]
Status = Annotated[bool, typer.Option("--status", help="How far the indexes are; 0: they agree.")]
DropOld = Annotated[bool, typer.Option("--drop-old", help="Delete the indexes of other models.")]
Url = Annotated[str | None, typer.Option(help="The deployed system's OpenSearch endpoint.")]
Prefix = Annotated[str, typer.Option(help="What the deployed system's indexes begin with.")]


def reindex(
    folder: Bucket = None,
    model: Filled = None,
    next_model: Coming = None,
    follow: Follow = False,
    status: Status = False,
    drop_old: DropOld = False,
    index_url: Url = None,
    index_prefix: Prefix = "images",
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Fill another model's index while the one in use goes on serving."""
    if status + drop_old + follow > 1:
        raise UsageError("--status, --drop-old and --follow are for one at a time")
    deployed = folder if folder and folder.startswith("s3://") else None
    if not deployed:
        use_excludes(_workspace(folder, data_dir).folder, exclude, no_default_excludes)
    if not (status or drop_old):
        if deployed:
            raise UsageError(
                "a deployed system fills the next index itself: deploy it with NextModelName,"
                f" then run `imagesearch backfill {deployed} --models next`"
            )
        _fill(_workspace(folder, data_dir), model, follow)
        return

    if deployed:
        switch = deployed_switch(deployed, index_url, index_prefix, model, next_model, data_dir)
    else:
        switch = local_switch(_workspace(folder, data_dir), model, next_model)
    if drop_old:
        drop_others(switch)
    elif not print_status(switch):
        raise typer.Exit(REJECTED)


def _fill(workspace: Workspace, model: str | None, follow: bool) -> None:
    if not model:
        raise UsageError("say which model to fill an index for: --model NAME, or its folder")

    console = Console(stderr=True)
    if follow:
        fill_and_follow(workspace, model, console)
        return
    try:
        complete = fill_once(workspace, model, console)
    except KeyboardInterrupt as stopped:
        console.print("stopped; what is done is kept, and the next run goes on from there")
        raise typer.Exit(INTERRUPTED) from stopped
    if not complete:
        raise typer.Exit(REJECTED)


def _workspace(folder: str | None, data_dir: Path) -> Workspace:
    found = workspace_of(Path(folder), data_dir) if folder else last_used(data_dir)
    found.must_be_indexed()
    return found


def fill_once(workspace: Workspace, model: str, console: Console) -> bool:
    """Bring the new index up to date, and leave; whether every image is searchable in it."""
    engine = _engine_to_come(workspace, model, console)
    return fill(engine, console) if engine else True


def fill_and_follow(workspace: Workspace, model: str, console: Console) -> None:
    """Fill the new index and keep it in step with the folder until interrupted or terminated."""
    signal.signal(signal.SIGTERM, interrupt)
    engine = _engine_to_come(workspace, model, console)
    if not engine:
        return
    filling = InitialIndexing(engine, model, console)
    handler = reporting(functions.index_images(), engine.store, engine.index, partial(say, console))
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say(console, "stopped; the new index is brought up to date when it is taken into use")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def _engine_to_come(workspace: Workspace, model: str, console: Console) -> FolderEngine | None:
    """None where the model in use has filled the very same index already."""
    data_dir = workspace.directory.parent
    in_use = model_folder(workspace.model or STARTER, data_dir)
    to_come = model_folder(model, data_dir)
    names = [bootstrap.index_name(settings_of(workspace, folder)) for folder in (in_use, to_come)]
    if names[0] == names[1]:
        workspace.expect(None)
        say(console, f"{model} uses the index that is in use already: there is nothing to fill")
        return None
    workspace.expect(model_name(to_come, data_dir))
    return open_engine(workspace, model)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """`to_come` is None where no other model is known to be filled."""

    in_use: Settings
    to_come: Settings | None


def local_switch(workspace: Workspace, model: str | None, next_model: str | None) -> ModelSwitch:
    """What is not given is as the workspace remembers it. Raises WrongUsage."""
    data_dir = workspace.directory.parent

    def settings(name: str) -> Settings:
        return settings_of(workspace, model_folder(name, data_dir))

    to_come = next_model or workspace.next_model
    return ModelSwitch(
        settings(model or workspace.model or STARTER), settings(to_come) if to_come else None
    )


def deployed_switch(
    bucket: str,
    index_url: str | None,
    index_prefix: str,
    model: str | None,
    next_model: str | None,
    data_dir: Path,
) -> ModelSwitch:
    """Bucket and OpenSearch as the user's own credentials reach them. Raises WrongUsage."""
    if not (index_url and model):
        raise UsageError("of a deployed system say --index-url, and --model for the one in use")

    def settings(name: str) -> Settings:
        names = {"BUCKET": s3_location(bucket).bucket, "INDEX_URL": index_url}
        uri = name if name.startswith("s3://") else str(model_folder(name, data_dir))
        return Settings.from_environment(names | {"INDEX_PREFIX": index_prefix, "MODEL_URI": uri})

    return ModelSwitch(settings(model), settings(next_model) if next_model else None)


def print_status(switch: ModelSwitch) -> bool:
    """One line for each index; whether all of them agree with the bucket."""
    agreed = True
    for role, settings in (("in use", switch.in_use), ("to come", switch.to_come)):
        if settings:
            found = _agreement(settings)
            agreed = agreed and found.is_consistent
            name, done = bootstrap.index_name(settings), f"{found.done:,} of {found.images:,}"
            print(f"{role:7}  {name}  {done}: {told(found)}")  # noqa: T201
    return agreed


def drop_others(switch: ModelSwitch) -> None:
    """Drop every index but that in use, and the one to come where there is one.

    Raises WrongUsage unless the index in use agrees with the bucket: an older one may be needed.
    """
    kept = {bootstrap.index_name(each) for each in (switch.in_use, switch.to_come) if each}
    found = _agreement(switch.in_use)
    if not found.is_consistent:
        name = bootstrap.index_name(switch.in_use)
        raise UsageError(f"nothing is dropped: {name}, which is in use, has {told(found)}")
    for name, index in bootstrap.vector_indexes(switch.in_use).items():
        if name not in kept:
            index.drop()
            print(f"dropped {name}")  # noqa: T201


def told(found: ConsistencyReport) -> str:
    """Such as `2 waiting (a.jpg, b.jpg)`, or that all agrees."""
    parts = [_part(found.pending, "waiting"), _part(found.orphaned, "no longer in the bucket")]
    disagreeing = ", ".join(filter(None, parts))
    rejected = f", {found.rejected:,} of them rejected" if found.rejected else ""
    return disagreeing or f"agrees with the bucket{rejected}"


def _part(found: Drift, words: str) -> str:
    if not found.count:
        return ""
    more = ", …" if found.count > len(found.keys) else ""
    return f"{found.count:,} {words} ({', '.join(map(printable, found.keys))}{more})"


def _agreement(settings: Settings) -> ConsistencyReport:
    return check_consistency(bootstrap.image_store(settings), bootstrap.vector_index(settings))
