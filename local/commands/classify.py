"""`imagesearch classify`: what one image shows, as a table or JSON lines.

`imagesearch classify` as it is typed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagesearch import bootstrap
from imagesearch.classification.classifier import LabelScore, LabelSource, Vote
from imagesearch.domain.queries import ImageQuery
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models import model_folder, model_in_use
from local.options import DATA_DIR, DataDir, Endpoint, Model, image_bytes
from local.output import printable
from local.workspace import Workspace

Line: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image, and the labels or the set to compare it with; without, `neighbours` vote.

    Files have no metadata: those of a folder that vote are labelled by their subfolder.
    """

    image: Path
    labels: list[str] | None
    labelset: str | None
    neighbours: int | None
    limit: int

    @property
    def vote(self) -> Vote:
        vote = Vote(source=LabelSource.COLLECTION)
        return Vote(self.neighbours, vote.source) if self.neighbours else vote


def classify_image(workspace: Workspace, model: str | None, wanted: Wanted) -> list[Line]:
    """The best labels, as the API has them. Raises WrongUsage, and what the use case raises."""
    workspace.must_be_indexed()
    image = ImageQuery(image_bytes(wanted.image))
    data_dir = workspace.directory.parent
    folder = model_folder(model_in_use(model, workspace), data_dir)
    classifier = bootstrap.classifier(settings_of(workspace, folder))
    if wanted.labels is not None:
        found = classifier.by_labels(image, wanted.labels)
    elif wanted.labelset is not None:
        found = classifier.by_labelset(image, wanted.labelset)
    else:
        found = classifier.by_neighbours(image, wanted.vote)
    return [_line(each) for each in found.labels[: wanted.limit]]


def classify_at_endpoint(endpoint: str, wanted: Wanted) -> list[Line]:
    """The best labels, by a deployed system. Raises WrongUsage."""
    from local.endpoint import api_at

    names = ("labels", "labelset", "neighbours", "limit")
    options = {name: value for name in names if (value := getattr(wanted, name)) is not None}
    with api_at(endpoint) as api:
        return [dict(each) for each in api.classify(image_bytes(wanted.image), **options)["labels"]]


def _line(scored: LabelScore) -> Line:
    score = round(scored.score, 6)
    return {"label": scored.label, "score": score, "similarity": scored.similarity}


def print_lines(labels: Sequence[Line]) -> None:
    for each in labels:
        print(json.dumps(each, ensure_ascii=False))  # noqa: T201


def print_table(labels: Sequence[Line]) -> None:
    """Labels are shown as text: one may look like markup."""
    table = Table("score", "label", box=None, pad_edge=False)
    for each in labels:
        table.add_row(f"{each['score']:.3f}", Text(printable(each["label"]), overflow="fold"))
    Console(highlight=False).print(table)


Image = Annotated[Path, typer.Argument(metavar="FILE", help="The image.")]
Labels = Annotated[str | None, typer.Option(help="What it may be, between commas.")]
LabelSet = Annotated[str | None, typer.Option(help="A set that `imagesearch labels put` made.")]
Neighbours = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Without labels: how many similar images vote."),
]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many labels to show.")]
Folder = Annotated[Path | None, typer.Option(help="Default: the last one indexed.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines, no table.")]


def classify(
    image: Image,
    labels: Labels = None,
    labelset: LabelSet = None,
    neighbours: Neighbours = None,
    limit: Limit = 10,
    folder: Folder = None,
    as_json: Json = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Say what an image shows: one of the labels, or the subfolder of images like it."""
    if sum(each is not None for each in (labels, labelset, neighbours)) > 1:
        raise UsageError("give one of --labels and --labelset, or let --neighbours vote")
    from local.workspace import last_used, workspace_of

    given = labels.split(",") if labels is not None else None
    wanted = Wanted(image, given, labelset, neighbours, limit)
    if endpoint:
        found = classify_at_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        found = classify_image(workspace, model, wanted)
    (print_lines if as_json else print_table)(found)
