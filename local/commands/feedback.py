"""`imagesearch feedback`: export the relevance feedback that users gave on hits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.examples import GroupWithExamples
from local.options import DATA_DIR, DataDir, Folder
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from local.aws import S3Location

feedback = typer.Typer(
    help="Relevance feedback on hits.", no_args_is_help=True, cls=GroupWithExamples
)


@feedback.command()
def export(
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="S3://BUCKET",
            help="Derived-data bucket of a deployed system, instead of a folder.",
        ),
    ] = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the feedback as training pairs of query and image, one JSON line each, by day."""
    from local.aws import aws_client, s3_location

    if origin:
        lines = feedback_in_s3(s3_location(origin), aws_client("s3"))
    else:
        lines = feedback_in_folder(folder, data_dir)
    for line in lines:
        print(line)  # noqa: T201


def feedback_in_folder(folder: Path | None, data_dir: Path) -> Iterator[str]:
    """The feedback records of an indexed folder, by day. Raises UsageError."""
    from imagesearch.domain.storage_keys import FEEDBACK

    workspace = selected_workspace(folder, data_dir)
    for path in sorted((workspace.derived / FEEDBACK).rglob("*.json")):
        yield path.read_text(encoding="utf-8")


def feedback_in_s3(location: S3Location, s3: Any) -> Iterator[str]:
    """The feedback records of a derived-data bucket, by day. Raises UsageError."""
    from imagesearch.domain.storage_keys import FEEDBACK
    from local.aws import aws_errors_as_usage_errors

    with aws_errors_as_usage_errors(f"cannot read {location}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=location.bucket, Prefix=location.key(FEEDBACK)
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                record = s3.get_object(Bucket=location.bucket, Key=entry["Key"])
                yield record["Body"].read().decode()
