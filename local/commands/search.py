"""`imagesearch search` and `similar`: search an indexed folder or a deployed API."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from imagesearch.domain.counts import counted
from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.options import (
    NOTHING_FOUND,
    Collection,
    DataDir,
    Endpoint,
    Folder,
    InFolder,
    Json,
    Model,
    Paths,
)
from local.searches import (
    AVOIDED,
    MIN_RELEVANCE,
    Found,
    Part,
    SearchOptions,
    search_endpoint,
    search_workspace,
    stored_id,
)
from local.workspace import Workspace, selected_workspace, workspace_and_prefix

Limit = Annotated[int, typer.Option(min=1, max=100, help="Maximum number of hits.")]
MinRelevance = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help=f"Minimum relevance of a hit.  [default: {MIN_RELEVANCE}, if calibrated]"
    ),
]
All = Annotated[
    bool, typer.Option("--all", help=f"Show weak hits, too: those below {MIN_RELEVANCE}.")
]
Open = Annotated[
    bool,
    typer.Option(
        "--open", help="Show the hits in the browser: on the page of the running server, if any."
    ),
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Show the hits as images in the terminal.")
]
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)


def search(
    text: Annotated[str | None, typer.Argument(help="Text to search for.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Image file to search for, also together with a text.")
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option(
            "--not",
            metavar="TEXT",
            help=f"Move the hits away from this text (weight {AVOIDED}); may be repeated.",
        ),
    ] = None,
    in_folder: InFolder = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Only images taken since: 2024, 2024-07 or 2024-07-01 (UTC)."
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Only images of a camera whose name contains this, such as canon."
        ),
    ] = None,
    min_width: Annotated[
        int | None, typer.Option(min=1, help="Only images of at least this width in pixels.")
    ] = None,
    folder: Folder = None,
    collection: Collection = None,
    limit: Limit = 10,
    min_relevance: MinRelevance = None,
    weak: All = False,
    as_json: Json = False,
    paths: Paths = False,
    in_browser: Open = False,
    preview: Preview = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Search an indexed folder, or a deployed system with --endpoint.

    The server of the folder answers if one is running, unless --model is given. Exit status 1: no
    image matches.
    """
    if text is None and image is None:
        raise UsageError("give a query: a text, an image file with --image, or both")
    workspace: Workspace | None = None
    if endpoint:
        from local.endpoint import prefix_of

        prefix = prefix_of(in_folder)
    else:
        workspace, prefix = workspace_and_prefix(folder, in_folder, data_dir)

    parts = [Part(text=text)] if text is not None else []
    parts += [Part(image=image)] if image is not None else []
    parts += [Part(text=each, weight=AVOIDED) for each in unlike or ()]
    conditions = search_filter(prefix, since, camera, min_width)
    options = SearchOptions(tuple(parts), limit, collection, min_relevance, conditions, weak)
    _run(options, workspace, endpoint, model, Output(as_json, paths, in_browser, preview))


def similar(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="Image file, or key or id of an indexed image.")
    ],
    folder: Folder = None,
    collection: Collection = None,
    limit: Limit = 10,
    min_relevance: MinRelevance = None,
    weak: All = False,
    as_json: Json = False,
    paths: Paths = False,
    in_browser: Open = False,
    preview: Preview = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Find images similar to an image; one of the folder itself is not among the hits.

    Exit status 1: no image matches.
    """
    workspace = None if endpoint else selected_workspace(folder, data_dir)
    from imagesearch.domain.errors import NotFound

    part = _part(workspace, endpoint, image)
    options = SearchOptions((part,), limit, collection, min_relevance, weak=weak)
    try:
        _run(options, workspace, endpoint, model, Output(as_json, paths, in_browser, preview))
    except NotFound as error:
        if not workspace:
            raise
        raise UsageError(
            f"{workspace.folder} has no searchable image {image!r}: `imagesearch list` names them,"
            " and `imagesearch list --rejected` the others with the reasons"
        ) from error


@dataclass(frozen=True, slots=True)
class Output:
    """The form in which hits are shown; by default a table."""

    as_json: bool = False
    paths: bool = False
    in_browser: bool = False
    preview: bool = False


def _run(
    options: SearchOptions,
    workspace: Workspace | None,
    endpoint: str | None,
    model: str | None,
    output: Output,
) -> None:
    """Search the workspace or the endpoint, and show the hits; exit status 1 without any.

    Raises UsageError.
    """
    if options.weak and options.min_relevance is not None:
        raise UsageError("give --all or --min-relevance, not both")
    if workspace:
        found = search_workspace(workspace, model, options)
    else:
        found = search_endpoint(endpoint or "", options)
    if options.min_relevance is None and not options.weak:
        found = found.without_weak()
    show_found(found, output)
    if output.in_browser and found.hits:
        from local.contact_sheet import open_in_browser

        open_in_browser(found, options, None if model else workspace)
    if not found.hits:
        raise typer.Exit(NOTHING_FOUND)


def search_filter(
    prefix: str = "",
    since: str | None = None,
    camera: str | None = None,
    min_width: int | None = None,
) -> dict[str, Any]:
    """The filter in the API's form. Raises UsageError for an invalid date."""
    conditions: dict[str, Any] = {
        "prefix": prefix or None,
        "taken_at": {"gte": _first_day(since)} if since else None,
        "metadata.camera": {"contains": camera} if camera else None,
        "width": {"gte": min_width} if min_width else None,
    }
    return {name: value for name, value in conditions.items() if value is not None}


def show_found(found: Found, output: Output) -> None:
    """Print the hits on standard output, and the searched place on standard error."""
    from local.terminal.tables import print_json_lines, print_paths

    if found.notice:
        print(f"imagesearch: {found.notice}", file=sys.stderr)  # noqa: T201
    print(f"imagesearch: {count_of(found)}", file=sys.stderr)  # noqa: T201
    if output.as_json:
        print_json_lines(found.hits)
    elif output.paths:
        print_paths(hit.get("path") or hit["url"] for hit in found.hits)
    elif output.preview:
        from local.terminal.preview import print_previews

        print_previews(found.hits)
    else:
        print_hits(found.hits)


def count_of(found: Found) -> str:
    """The number of hits and the searched place, such as `2 hits in /pictures; 8 weaker: --all`."""
    none = "no good match" if found.excluded else "no hits"
    count = counted(len(found.hits), "hit") if found.hits else none
    weaker = f"; {found.excluded} weaker: --all" if found.excluded else ""
    return f"{count} in {found.place}{weaker}"


def print_hits(hits: list[dict[str, Any]]) -> None:
    """Print one row a hit: relevance, score and key."""
    from local.terminal.tables import Cell, print_table, record_cell

    rows: list[list[Cell]] = []
    for hit in hits:
        relevance = "–" if hit["relevance"] is None else f"{hit['relevance']:.2f}"
        rows.append([relevance, f"{hit['score']:.3f}", record_cell(hit)])
    print_table(["relevance", "score", "key"], rows)


def _part(workspace: Workspace | None, endpoint: str | None, image: str) -> Part:
    if workspace and (id := stored_id(workspace, image)):
        return Part(id=id)
    if Path(image).expanduser().is_file():
        return Part(image=Path(image))
    if endpoint:
        from local.endpoint import record_at

        return Part(id=record_at(endpoint, image)["id"])
    return Part(id=image)


def _first_day(since: str) -> str:
    found = _DATE.fullmatch(since)
    if not found:
        raise UsageError(f"--since {since!r}: give a date such as 2024, 2024-07 or 2024-07-01")
    year, month, day = found.groups()
    return f"{year}-{month or '01'}-{day or '01'}"
