"""`imagesearch duplicates` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from imagesearch.duplicates.similarity import LEAST_CONFIDENCE, MOST_CONFIDENCE, THRESHOLD
from local.cli_options import DATA_DIR, DataDir, Endpoint, Model
from local.models import model_in_use
from local.workspace import last_used, workspace_of

Folder = Annotated[Path | None, typer.Option(help="Default: the last one indexed.")]
Collection = Annotated[str | None, typer.Option(help="Only below this subfolder.")]
Threshold = Annotated[
    float,
    typer.Option(min=LEAST_CONFIDENCE, max=MOST_CONFIDENCE, help="How sure it must be at least."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines, no table.")]


def duplicates(
    folder: Folder = None,
    collection: Collection = None,
    threshold: Threshold = THRESHOLD,
    as_json: Json = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List images that show the same picture, in groups, the likeliest original first."""
    from local.commands import duplicates as command

    wanted = command.Wanted(threshold, collection)
    if endpoint:
        groups = command.groups_of_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        groups = command.groups_of_folder(workspace, model_in_use(model, workspace), wanted)
    (command.print_lines if as_json else command.print_table)(groups)
