"""`imagesearch verify`: compare a bucket or a folder with its index, and repair the index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from local.data_directory import DATA_DIR
from local.errors import Interrupted, UsageError
from local.options import (
    INCOMPLETE,
    DataDir,
    Exclude,
    IndexUrl,
    Json,
    Model,
    NoDefaultExcludes,
    set_excludes,
)


def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER|S3://BUCKET",
            help="Indexed folder, or the bucket of a deployed system. Default: the last folder.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Index what differs, and compare again.")
    ] = False,
    stack: Annotated[
        str, typer.Option(help="Name of the deployed stack, for a bucket.")
    ] = "imagesearch",
    index_url: IndexUrl = None,
    model: Model = None,
    no_thumbnails: Annotated[
        bool, typer.Option("--no-thumbnails", help="Do not read the thumbnails.")
    ] = False,
    inventory: Annotated[
        str | None,
        typer.Option(
            metavar="S3://BUCKET/PREFIX",
            help="Read the bucket's listing from the newest report of S3 Inventory (CSV) below"
            " this prefix, or from this manifest.json.",
        ),
    ] = None,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare a folder or a bucket with its index; exit status 1 if they differ.

    Thumbnails and feedback are read to find damaged ones.
    """
    from rich.console import Console

    console = Console(stderr=True)
    try:
        if target and target.startswith("s3://"):
            from local.verification.bucket import read_whole_bucket, verify_bucket

            deployment = read_whole_bucket(target, stack, index_url, model, data_dir)
            equal = verify_bucket(
                deployment,
                console,
                repair=repair,
                as_json=as_json,
                inventory=inventory,
                thumbnails=not no_thumbnails,
            )
        else:
            if inventory:
                raise UsageError("--inventory needs a bucket: write s3://BUCKET")
            from local.workspace import selected_workspace

            workspace = selected_workspace(Path(target) if target else None, data_dir)
            workspace.must_be_indexed()
            set_excludes(workspace.folder, exclude, no_default_excludes)
            from local.verification.folder import verify_folder

            equal = verify_folder(
                workspace,
                model,
                console,
                repair=repair,
                as_json=as_json,
                thumbnails=not no_thumbnails,
            )
    except KeyboardInterrupt as stopped:
        raise Interrupted("Stopped. What was sent or indexed is kept.") from stopped
    if not equal:
        raise typer.Exit(INCOMPLETE)
