"""The command line: reads what was typed, calls one command, turns its end into an exit status."""

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imagesearch.domain.errors import ImageSearchError
from local.commands.classify import classify
from local.commands.duplicates import duplicates
from local.commands.feedback import feedback
from local.commands.labels import labels
from local.commands.models import models
from local.commands.reindex import reindex
from local.commands.search import search
from local.errors import UsageError
from local.models import choice, installed_models
from local.options import (
    DATA_DIR,
    INTERRUPTED,
    REJECTED,
    WRONG_USAGE,
    DataDir,
    Exclude,
    ForgetMissing,
    Model,
    NoDefaultExcludes,
    checked,
    use_excludes,
)
from local.workspace import Workspace, workspace_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point `imagesearch`."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except UsageError as error:
        _leave(str(error))
    except ImageSearchError as error:
        _leave("; ".join(filter(None, (error.message, error.hint))))


def _version(asked: bool) -> None:
    if asked:
        print(version("imagesearch"))  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which, and leave."),
    ] = False,
) -> None:
    """Find images by words or by another image."""


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="The folder of images.")] = Path(),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    allow_uploads: Annotated[
        bool, typer.Option("--allow-uploads", help="Let the API put images into the folder.")
    ] = False,
    allow_delete: Annotated[
        bool, typer.Option("--allow-delete", help="Let the API move images out of the folder.")
    ] = False,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Let the API fetch images from the web.")
    ] = False,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
    forget_missing: ForgetMissing = False,
) -> None:
    """Index a folder, keep it in step, and serve the API and the search page."""
    workspace = workspace_of(folder, data_dir)
    use_excludes(workspace.folder, exclude, no_default_excludes)
    from imagesearch.uploads import Allowed
    from local.commands.serve import serve_folder

    try:
        chosen = _told(model, workspace)
        allowed = Allowed(allow_uploads, allow_delete, allow_urls)
        console = Console(stderr=True)
        serve_folder(workspace, chosen, host, port, allowed, console, forget_missing)
    except KeyboardInterrupt:
        return


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="The folder of images.")],
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name each file that is skipped, and why.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
    all_files: Annotated[
        bool,
        typer.Option("--all", help="Read every file, also those that seem not to have changed."),
    ] = False,
    forget_missing: ForgetMissing = False,
) -> None:
    """Index a folder; what has not changed since the last time is left alone."""
    workspace = workspace_of(folder, data_dir)
    use_excludes(workspace.folder, exclude, no_default_excludes)
    from local.commands.index import forgetting, index_folder

    console = Console(stderr=True)
    forget = forgetting(forget_missing, console)
    try:
        chosen = _told(model, workspace)
        complete = index_folder(
            workspace, chosen, console, forget, afresh=all_files, verbose=verbose
        )
    except KeyboardInterrupt as stopped:
        _say("stopped; what is done is kept, and the next run goes on from there")
        raise typer.Exit(INTERRUPTED) from stopped
    if not complete:
        raise typer.Exit(REJECTED)


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="The folder of images.")],
    to: Annotated[str, typer.Argument(metavar="S3://BUCKET/PREFIX", help="Where they go.")],
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
) -> None:
    """Upload a folder's images to a bucket; what is there already is left alone."""
    from imagesearch.adapters.filesystem.excludes import Excludes
    from local.aws import aws_client, s3_location
    from local.commands.push import push_folder

    location = s3_location(to)
    use_excludes(folder, exclude, no_default_excludes)
    excludes = Excludes(folder, checked(exclude), defaults=not no_default_excludes)
    try:
        s3, console = aws_client("s3"), Console(stderr=True)
        complete = push_folder(folder, location, s3, console, excludes)
    except KeyboardInterrupt as stopped:
        _say("stopped; what is uploaded is kept, and the next run goes on from there")
        raise typer.Exit(INTERRUPTED) from stopped
    if not complete:
        raise typer.Exit(REJECTED)


@app.command()
def backfill(
    objects: Annotated[str, typer.Argument(metavar="S3://BUCKET/PREFIX", help="What to index.")],
    stack: Annotated[str, typer.Option(help="The deployed stack.")] = "imagesearch",
    state_machine: Annotated[str | None, typer.Option(help="Its backfill's ARN instead.")] = None,
    models: Annotated[str, typer.Option(help="For which models: all, current or next.")] = "all",
    wait: Annotated[bool, typer.Option("--wait", help="Say how far it is until it ends.")] = False,
) -> None:
    """Have a deployed system index what its bucket held before."""
    from local.aws import aws_client, s3_location
    from local.commands.backfill import Wanted, follow, start_backfill

    wanted = Wanted(s3_location(objects), models, stack, state_machine)
    execution = start_backfill(wanted, aws_client)
    print(execution)  # noqa: T201
    try:
        if wait and not follow(execution, aws_client, Console(stderr=True)):
            raise typer.Exit(REJECTED)
    except KeyboardInterrupt as stopped:
        _say("no longer followed; the backfill itself goes on")
        raise typer.Exit(INTERRUPTED) from stopped


app.command()(search)
app.command()(classify)
app.command()(duplicates)
app.command()(reindex)
app.add_typer(feedback, name="feedback")
app.add_typer(labels, name="labels")
app.add_typer(models, name="models")


def _told(given: str | None, workspace: Workspace) -> str:
    """The model; what the user should know of it is said."""
    chosen = choice(given, workspace.model, installed_models(workspace.directory.parent))
    if chosen.notice:
        _say(chosen.notice)
    return chosen.model


def _leave(message: str) -> None:
    _say(message)
    sys.exit(WRONG_USAGE)


def _say(message: str) -> None:
    print(f"imagesearch: {message}", file=sys.stderr)  # noqa: T201
