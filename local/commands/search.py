"""`imagesearch search`: search an indexed folder or a deployed API by text or by image."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from local.errors import UsageError
from local.options import (
    DATA_DIR,
    Collection,
    DataDir,
    Endpoint,
    Folder,
    Json,
    Model,
    image_bytes,
)
from local.workspace import Workspace, selected_workspace

if TYPE_CHECKING:
    from imagesearch.domain.queries import Hit, Query, Search

HitRow: TypeAlias = dict[str, Any]
HitsAndNotice: TypeAlias = tuple[list[HitRow], str | None]


def search(
    text: Annotated[str | None, typer.Argument(help="Text to search for.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image file to search for.")] = None,
    folder: Folder = None,
    collection: Collection = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Maximum number of hits.")] = 10,
    min_relevance: Annotated[
        float | None, typer.Option(min=0, max=1, help="Minimum relevance of a hit.")
    ] = None,
    as_json: Json = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Search an indexed folder, or a deployed system with --endpoint.

    The server of the folder answers if one is running, unless --model is given.
    """
    if (text is None) == (image is None):
        raise UsageError("give a query: either text, or an image file with --image")

    options = SearchOptions(text, image, limit, collection, min_relevance)
    if endpoint:
        hits, notice = search_endpoint(endpoint, options)
    else:
        workspace = selected_workspace(folder, data_dir)
        running = None if model else search_running_server(workspace, options)
        hits, notice = running or search_folder(workspace, model, options)
    if notice:
        print(f"imagesearch: {notice}", file=sys.stderr)  # noqa: T201
    if as_json:
        from local.output import print_json_lines

        print_json_lines(hits)
    else:
        print_table(hits)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The query, which is either a text or an image file, and the limits on the hits."""

    text: str | None
    image: Path | None
    limit: int
    collection: str | None
    min_relevance: float | None

    def as_search(self) -> Search:
        """The search for the use case. Raises UsageError for an unreadable image file."""
        from imagesearch.domain.queries import ImageQuery, Search, TextQuery

        query: Query = (
            ImageQuery(image_bytes(self.image)) if self.image else TextQuery(self.text or "")
        )
        return Search(
            query,
            self.limit,
            collection=self.collection or None,
            min_relevance=self.min_relevance,
        )


def search_folder(workspace: Workspace, model: str | None, options: SearchOptions) -> HitsAndNotice:
    """The hits in the API's shape, with file paths instead of URLs, and the notice.

    model: by default that of the index. Raises UsageError, and the errors of the search use case.
    """
    from imagesearch import bootstrap
    from local.lambda_runtime import settings_of
    from local.models import model_folder, model_in_use

    workspace.must_be_indexed()
    search = options.as_search()
    data_dir = workspace.directory.parent
    folder = model_folder(model_in_use(model, workspace), data_dir)
    answer = bootstrap.searcher(settings_of(workspace, folder)).search(search)
    return [_hit_row(hit, workspace.folder) for hit in answer.hits], answer.notice


def search_running_server(workspace: Workspace, options: SearchOptions) -> HitsAndNotice | None:
    """The hits from the server of the folder, which has its model loaded, and the notice.

    None if there is no server, or if it does not answer: this process then searches itself.
    """
    from local.running_server import running_server

    if not (server := running_server(workspace.directory)):
        return None
    try:
        hits, notice = search_endpoint(server, options)
    except UsageError:
        return None
    return [_of_file(hit, workspace.folder) for hit in hits], notice


def search_endpoint(endpoint: str, options: SearchOptions) -> HitsAndNotice:
    """The hits and the notice as a deployed API returns them. Raises UsageError."""
    from local.endpoint import api_at

    query = image_bytes(options.image) if options.image else options.text or ""
    fields = {"limit": options.limit, "collection": options.collection}
    with api_at(endpoint) as api:
        response = api.search(query, **fields, min_relevance=options.min_relevance)
    return [dict(hit) for hit in response["hits"]], response.get("notice")


def print_table(hits: Sequence[HitRow]) -> None:
    """Print one row a hit. Keys are printed as plain text: file names may contain rich markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from local.output import printable

    table = Table("relevance", "score", "key", box=None, pad_edge=False)
    for hit in hits:
        key = Text(printable(hit["key"]), overflow="fold")
        relevance = "–" if hit["relevance"] is None else f"{hit['relevance']:.2f}"
        table.add_row(relevance, f"{hit['score']:.3f}", key)
    Console(highlight=False).print(table)


def _of_file(hit: HitRow, folder: Path) -> HitRow:
    """A hit of the API with the path of its file, in place of the URLs."""
    row = {name: value for name, value in hit.items() if name not in ("url", "thumbnail_url")}
    return row | {"path": str(folder / hit["key"])}


def _hit_row(hit: Hit, folder: Path) -> HitRow:
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
