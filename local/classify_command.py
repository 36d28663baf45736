"""`imagesearch classify`: what one image shows, as a table or JSON lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagesearch import bootstrap
from imagesearch.classifying import LabelScore, LabelSource, Vote
from imagesearch.queries import ImageQuery
from local.environment import settings_of
from local.image_file import image_bytes
from local.model_choice import model_folder, model_in_use
from local.report import printable
from local.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image, and the labels or the set to compare it with; without, `neighbours` vote.

    Files have no metadata: those that vote are labelled by their subfolder.
    """

    image: Path
    labels: list[str] | None
    labelset: str | None
    neighbours: int | None

    @property
    def vote(self) -> Vote:
        vote = Vote(source=LabelSource.COLLECTION)
        return Vote(self.neighbours, vote.source) if self.neighbours else vote


def classify_image(workspace: Workspace, model: str | None, wanted: Wanted) -> list[LabelScore]:
    """Labels, best first. Raises WrongUsage, and what the use case raises."""
    workspace.must_be_indexed()
    image = ImageQuery(image_bytes(wanted.image))
    data_dir = workspace.directory.parent
    folder = model_folder(model_in_use(model, workspace), data_dir)
    classifier = bootstrap.classifier(settings_of(workspace, folder))
    if wanted.labels is not None:
        return classifier.by_labels(image, wanted.labels).labels
    if wanted.labelset is not None:
        return classifier.by_labelset(image, wanted.labelset).labels
    return classifier.by_neighbours(image, wanted.vote).labels


def print_lines(labels: Sequence[LabelScore]) -> None:
    for each in labels:
        line = {"label": each.label, "score": round(each.score, 6), "similarity": each.similarity}
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201


def print_table(labels: Sequence[LabelScore]) -> None:
    """Labels are shown as text: one may look like markup."""
    table = Table("score", "label", box=None, pad_edge=False)
    for each in labels:
        table.add_row(f"{each.score:.3f}", Text(printable(each.label), overflow="fold"))
    Console(highlight=False).print(table)
