"""`imagesearch search` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from local.cli_options import DATA_DIR, DataDir, Endpoint, Model
from local.errors import WrongUsage
from local.models import model_in_use
from local.workspace import last_used, workspace_of


def search(
    text: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    image: Annotated[Path | None, typer.Option(help="An image file to look for.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Default: the last one indexed.")] = None,
    collection: Annotated[str | None, typer.Option(help="Only below this subfolder.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many hits.")] = 10,
    min_relevance: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only hits at least so relevant.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, no table.")] = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Search an indexed folder, or a deployed system with --endpoint."""
    if (text is None) == (image is None):
        raise WrongUsage("say what to look for: either words, or a file with --image")
    from local.commands import search as command

    wanted = command.Wanted(text, image, limit, collection, min_relevance)
    if endpoint:
        hits = command.search_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        hits = command.search_folder(workspace, model_in_use(model, workspace), wanted)
    (command.print_lines if as_json else command.print_table)(hits)
