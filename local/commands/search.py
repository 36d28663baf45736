"""`imagesearch search`: one search in a folder's index or an API's, as a table or JSON lines.

`imagesearch search` as it is typed.
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
from imagesearch.domain.queries import Hit, ImageQuery, Query, Search, TextQuery
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models import model_folder, model_in_use
from local.options import DATA_DIR, DataDir, Endpoint, Model, image_bytes
from local.output import printable
from local.workspace import Workspace, last_used, workspace_of

Line: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for: words or the image in a file, and how much of it is shown."""

    text: str | None
    image: Path | None
    limit: int
    collection: str | None
    min_relevance: float | None

    def search(self) -> Search:
        """Raises WrongUsage for a file that cannot be read."""
        query: Query = (
            ImageQuery(image_bytes(self.image)) if self.image else TextQuery(self.text or "")
        )
        return Search(
            query,
            self.limit,
            collection=self.collection or None,
            min_relevance=self.min_relevance,
        )


def search_folder(workspace: Workspace, model: str, wanted: Wanted) -> list[Line]:
    """The nearest images, with files' paths in place of addresses.

    Raises WrongUsage, and what the search use case raises.
    """
    workspace.must_be_indexed()
    search = wanted.search()
    settings = settings_of(workspace, model_folder(model, workspace.directory.parent))
    hits = bootstrap.searcher(settings).search(search).hits
    return [_line(hit, workspace.folder) for hit in hits]


def search_endpoint(endpoint: str, wanted: Wanted) -> list[Line]:
    """The nearest images of a deployed system, as its API answers. Raises WrongUsage."""
    from local.endpoint import api_at

    query = image_bytes(wanted.image) if wanted.image else wanted.text or ""
    options = {"limit": wanted.limit, "collection": wanted.collection}
    with api_at(endpoint) as api:
        found = api.search(query, **options, min_relevance=wanted.min_relevance)
    return [dict(hit) for hit in found["hits"]]


def print_lines(hits: Sequence[Line]) -> None:
    for hit in hits:
        print(json.dumps(hit, ensure_ascii=False))  # noqa: T201


def print_table(hits: Sequence[Line]) -> None:
    """Keys are shown as text: a file's name may look like markup."""
    table = Table("relevance", "score", "key", box=None, pad_edge=False)
    for hit in hits:
        key = Text(printable(hit["key"]), overflow="fold")
        relevance = "–" if hit["relevance"] is None else f"{hit['relevance']:.2f}"
        table.add_row(relevance, f"{hit['score']:.3f}", key)
    Console(highlight=False).print(table)


def _line(hit: Hit, folder: Path) -> Line:
    """A hit as the API has it, with the file's path: no server runs."""
    document = hit.document
    return {
        "id": document.id,
        "key": document.ref.key,
        "score": max(-1.0, min(1.0, round(hit.score, 6))),
        "relevance": hit.relevance if hit.relevance is None else round(hit.relevance, 4),
        "path": str(folder / document.ref.key),
        "width": document.width,
        "height": document.height,
        "content_type": document.content_type,
        "taken_at": document.taken_at and document.taken_at.isoformat().replace("+00:00", "Z"),
        "metadata": dict(document.metadata),
    }


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
        raise UsageError("say what to look for: either words, or a file with --image")

    wanted = Wanted(text, image, limit, collection, min_relevance)
    if endpoint:
        hits = search_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        hits = search_folder(workspace, model_in_use(model, workspace), wanted)
    (print_lines if as_json else print_table)(hits)
