"""`imagesearch feedback`: export and delete the relevance feedback that users gave on hits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.examples import GroupWithExamples
from local.options import DataDir, DerivedBucket, Folder, Json, Model, end_without_results
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from imagesearch.learning.adapters import AdapterStore
    from local.aws.clients import S3Location
    from local.commands.tune import TuneResult

feedback = typer.Typer(
    help="Relevance feedback on hits.", no_args_is_help=True, cls=GroupWithExamples
)


@feedback.command()
def export(
    origin: DerivedBucket = None,
    folder: Folder = None,
    _always_json: Json = True,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the feedback as training pairs of query and image, one JSON line each, by day.

    Exit status 1: there is none.
    """
    from local.aws.clients import aws_client, s3_location

    if origin:
        lines = feedback_in_s3(s3_location(origin), aws_client("s3"))
    else:
        lines = feedback_in_folder(folder, data_dir)
    found = False
    for line in lines:
        print(line)  # noqa: T201
        found = True
    if not found:
        end_without_results("no feedback is stored")


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
    origin: DerivedBucket = None,
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
    if user is not None and not user.strip():
        raise UsageError("--user is empty: name the ID of an API key")
    from local.terminal.tables import print_json_lines

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
        from imagesearch.domain.counts import counted

        yield f"{counted(self.deleted, 'opinion')} deleted"
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
    from imagesearch.feedback import pseudonym
    from local.commands.tune import tune_place
    from local.tuning import forgotten_keys, place_of

    place = place_of(origin, folder, data_dir, model)
    day, name = before.date().isoformat() if before else None, pseudonym(user) if user else None
    keys = list(forgotten_keys(place.store, day, name))
    adapters, marked, again = place.adapters, [], False
    # Marked first: if the deletion is interrupted, no adapter of deleted feedback is in use. Marked
    # again: a run that ended meanwhile may have adopted one.
    for deleted in ((), keys):
        for key in deleted:
            place.store.delete(key)
        in_use = _number_in_use(adapters)
        found = adapters.mark_forgotten(day or "", name)
        marked += found
        again = again or in_use in found
    tuned = tune_place(origin, None, folder, data_dir, model) if again else None
    return Forgotten(len(keys), tuple(marked), tuned)


def _number_in_use(adapters: AdapterStore) -> int | None:
    """None also for a damaged pointer, which marking writes again."""
    from imagesearch.domain.errors import ConfigurationError

    with suppress(ConfigurationError):
        return adapters.pointer().number
    return None


def feedback_in_folder(folder: Path | None, data_dir: Path) -> Iterator[str]:
    """The feedback records of an indexed folder, by day. Raises UsageError."""
    from imagesearch.adapters.filesystem.derived_store import FolderDerived
    from imagesearch.learning.tuner import stored_lines

    workspace = selected_workspace(folder, data_dir)
    yield from stored_lines(FolderDerived(workspace.derived))


def feedback_in_s3(location: S3Location, s3: Any) -> Iterator[str]:
    """The feedback records of a derived-data bucket, by day. Raises UsageError."""
    from imagesearch.adapters.s3.derived_store import S3Derived
    from imagesearch.domain.errors import Unavailable
    from imagesearch.learning.tuner import stored_lines

    try:
        yield from stored_lines(S3Derived(str(location), s3))
    except Unavailable as error:
        raise UsageError(f"cannot read {location}: {error.message}") from error
