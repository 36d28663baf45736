"""`imagesearch classify` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from local.cli_options import DATA_DIR, DataDir, Endpoint, Model
from local.errors import WrongUsage

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
        raise WrongUsage("give one of --labels and --labelset, or let --neighbours vote")
    from local.commands import classify as command
    from local.workspace import last_used, workspace_of

    given = labels.split(",") if labels is not None else None
    wanted = command.Wanted(image, given, labelset, neighbours, limit)
    if endpoint:
        found = command.classify_at_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        found = command.classify_image(workspace, model, wanted)
    (command.print_lines if as_json else command.print_table)(found)
