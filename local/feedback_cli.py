"""`imagesearch feedback` as it is typed: export."""

from pathlib import Path
from typing import Annotated

import typer

from local.cli_options import DATA_DIR, DataDir

feedback = typer.Typer(help="What users said of hits.", no_args_is_help=True)
Origin = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="S3://BUCKET",
        help="A deployed system's bucket of derived data. Default: the folder indexed last.",
    ),
]
Folder = Annotated[Path | None, typer.Option(help="Default: the last one indexed.")]


@feedback.command()
def export(origin: Origin = None, folder: Folder = None, data_dir: DataDir = DATA_DIR) -> None:
    """Print every pair of query and image to train with, one JSON line each."""
    from local.aws import aws_client
    from local.commands.feedback import kept_here, kept_in_s3
    from local.s3_location import s3_location

    if origin:
        lines = kept_in_s3(s3_location(origin), aws_client("s3"))
    else:
        lines = kept_here(folder, data_dir)
    for line in lines:
        print(line)  # noqa: T201
