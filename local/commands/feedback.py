"""`imagesearch feedback export`: what was kept, in the order of days.

`imagesearch feedback` as it is typed: export.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from imagesearch.domain.storage_keys import FEEDBACK
from local.aws import S3Location, in_a_sentence
from local.options import DATA_DIR, DataDir
from local.workspace import last_used, workspace_of


def kept_here(folder: Path | None, data_dir: Path) -> Iterator[str]:
    """What was said of an indexed folder's images. Raises WrongUsage."""
    workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
    for path in sorted((workspace.derived / FEEDBACK).rglob("*.json")):
        yield path.read_text(encoding="utf-8")


def kept_in_s3(location: S3Location, s3: Any) -> Iterator[str]:
    """What is kept in a bucket of derived data. Raises WrongUsage."""
    with in_a_sentence(f"cannot read {location}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=location.bucket, Prefix=location.key(FEEDBACK)
        )
        for page in pages:
            for found in page.get("Contents", ()):
                kept = s3.get_object(Bucket=location.bucket, Key=found["Key"])
                yield kept["Body"].read().decode()


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
    from local.aws import aws_client, s3_location

    if origin:
        lines = kept_in_s3(s3_location(origin), aws_client("s3"))
    else:
        lines = kept_here(folder, data_dir)
    for line in lines:
        print(line)  # noqa: T201
