"""`imagesearch reindex` as it is typed: fill the next model's index, say how far it is, tidy up."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.cli_options import DATA_DIR, INTERRUPTED, REJECTED, DataDir
from local.errors import WrongUsage
from local.options import Exclude, NoDefaultExcludes, use_excludes
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
        raise WrongUsage("--status, --drop-old and --follow are for one at a time")
    deployed = folder if folder and folder.startswith("s3://") else None
    if not deployed:
        use_excludes(_workspace(folder, data_dir).folder, exclude, no_default_excludes)
    if not (status or drop_old):
        if deployed:
            raise WrongUsage(
                "a deployed system fills the next index itself: deploy it with NextModelName,"
                f" then run `imagesearch backfill {deployed} --models next`"
            )
        _fill(_workspace(folder, data_dir), model, follow)
        return
    from local.model_switch import deployed_switch, local_switch
    from local.switch_commands import drop_others, print_status

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
        raise WrongUsage("say which model to fill an index for: --model NAME, or its folder")
    from local.reindex_command import fill_and_follow, fill_once

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
