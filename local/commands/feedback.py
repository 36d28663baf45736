"""`imagesearch feedback`: export and delete the relevance feedback that users gave on hits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import UsageError
from local.examples import GroupWithExamples
from local.options import DATA_DIR, NOTHING_FOUND, DataDir, Folder, Json, Model
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from local.aws import S3Location
    from local.commands.tune import TuneResult

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
    _always_json: Json = True,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the feedback as training pairs of query and image, one JSON line each, by day.

    Exit status 1: there is none.
    """
    from local.aws import aws_client, s3_location

    if origin:
        lines = feedback_in_s3(s3_location(origin), aws_client("s3"))
    else:
        lines = feedback_in_folder(folder, data_dir)
    found = False
    for line in lines:
        print(line)  # noqa: T201
        found = True
    if not found:
        raise typer.Exit(NOTHING_FOUND)


@feedback.command()
def forget(
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Delete feedback on searches before this day."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="KEY_ID", help="Delete the feedback of the API key with this ID."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="S3://BUCKET",
            help="Derived-data bucket of a deployed system, instead of a folder.",
        ),
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Delete feedback by day or by API key.

    Adapters that were fitted on deleted feedback cannot be used any more. If one was in use, a new
    one is fitted on the rest.
    """
    if (before is None) == (user is None):
        raise UsageError("give either --before or --user")
    from local.tables import print_json_lines

    forgotten = forget_feedback(before, user, origin, folder, data_dir, model)
    if as_json:
        print_json_lines([forgotten.as_json()])
        return
    for line in forgotten.lines():
        print(line)  # noqa: T201


@dataclass(frozen=True)
class Forgotten:
    """The number of deleted records, the adapters fitted on them, and the result of a new one."""

    deleted: int
    adapters: tuple[int, ...]
    tuned: TuneResult | None

    def lines(self) -> Iterator[str]:
        yield f"{self.deleted:,} opinions deleted"
        if self.adapters:
            numbers = ", ".join(map(str, self.adapters))
            yield f"adapters fitted on them, which cannot be used any more: {numbers}"
        if self.tuned:
            yield from self.tuned.lines

    def as_json(self) -> dict[str, Any]:
        tuned = self.tuned.as_json() if self.tuned else None
        return {"deleted": self.deleted, "forgotten_adapters": self.adapters, "tuned": tuned}


def forget_feedback(
    before: datetime | None,
    user: str | None,
    origin: str | None,
    folder: Path | None,
    data_dir: Path,
    model: str | None,
) -> Forgotten:
    """Delete the records, mark the adapters, and tune again if one of them was in use.

    Raises UsageError, Unavailable, ConfigurationError.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from imagesearch.feedback import pseudonym
    from local.commands.tune import tune_place
    from local.tuning import forgotten_keys, place_of

    place = place_of(origin, folder, data_dir, model)
    day, name = before.date().isoformat() if before else None, pseudonym(user) if user else None
    keys = list(forgotten_keys(place.store, day, name))
    adapters = place.adapters
    in_use = adapters.pointer().number
    # Marked first: if the deletion is interrupted, no adapter of deleted feedback is in use.
    marked = adapters.mark_forgotten(day or "", name)
    for key in keys:
        place.store.delete(key)
    again = in_use in marked
    tuned = tune_place(origin, None, folder, data_dir, model) if again else None
    return Forgotten(len(keys), tuple(marked), tuned)


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
