"""`imagesearch status`: the indexed folders of this user, with their images, models and sizes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from imagesearch.domain.counts import counted
from local.data_directory import DATA_DIR
from local.options import NOTHING_FOUND, DataDir, Endpoint, Json
from local.workspace import Workspace, uses_server, workspaces


def status(as_json: Json = False, endpoint: Endpoint = None, data_dir: DataDir = DATA_DIR) -> None:
    """List the indexed folders with their images, models, servers and sizes on disk.

    With --endpoint, report the state of a deployed system.

    Exit status 1: no folder is indexed.
    """
    from local.terminal.tables import Cell, PathCell, print_json_lines, print_table

    if endpoint:
        _print_endpoint(endpoint, as_json)
        return
    rows = [folder_status(each) for each in workspaces(data_dir)]
    if as_json:
        print_json_lines(rows)
    else:
        cells: list[list[Cell]] = []
        for row in rows:
            counts = [_count(row["images"]), _count(row["rejected"])]
            model = f"{row['model']} → {row['next_model']}" if row["next_model"] else row["model"]
            size = f"{row['bytes'] / 1_000_000:,.1f} MB"
            folder = PathCell(row["folder"], row["server"] or Path(row["folder"]).as_uri())
            cells.append([folder, *counts, model or "–", size, row["server"] or row["state"]])
        print_table(["folder", "images", "rejected", "model", "size", "state"], cells)
    folders = counted(len(rows), "indexed folder")
    print(f"imagesearch: {folders} in {data_dir}", file=sys.stderr)  # noqa: T201
    if not rows:
        raise typer.Exit(NOTHING_FOUND)


def _print_endpoint(endpoint: str, as_json: bool) -> None:
    """Print the state of a deployed system, one field a line. Raises UsageError."""
    from local.endpoint import api_at
    from local.terminal.tables import print_json_lines, print_table

    with api_at(endpoint) as api:
        row: dict[str, Any] = {"endpoint": endpoint, **api.health()}
    if as_json:
        print_json_lines([row])
        return
    lag = row.pop("lag", None)
    if lag:
        row |= {"waiting": f"{lag['waiting']:,}", "in flight": f"{lag['in_flight']:,}"}
    if change := row.pop("next_model", None):
        row["next model"] = f"{change['name']} ({change['state']})"
    row |= {"allows": ", ".join(row["allows"]) or "–"}
    print_table(["field", "value"], [[name, str(value)] for name, value in row.items()])


def folder_status(workspace: Workspace) -> dict[str, Any]:
    """The state of a folder and its index; without a readable index there are no counts.

    `bytes` are those of the index and of derived data on disk.
    """
    from local.running_server import running_server

    images, rejected = _counts(workspace)
    state = "indexed" if images is not None else "not readable"
    return {
        "folder": str(workspace.folder),
        "state": state if workspace.folder.is_dir() else "folder missing",
        "images": images,
        "rejected": rejected,
        "model": workspace.model,
        "next_model": workspace.next_model,
        "server": running_server(workspace.directory),
        "index": str(workspace.directory.resolve()),
        "bytes": sum(each.stat().st_size for each in workspace.directory.rglob("*.*")),
    }


def _counts(workspace: Workspace) -> tuple[int | None, int | None]:
    from imagesearch import bootstrap
    from imagesearch.domain.errors import ImageSearchError
    from local.errors import UsageError
    from local.lambda_runtime import settings_of
    from local.models.choice import model_in_use
    from local.models.installed import model_folder

    if not (workspace.index_file.is_file() or uses_server()):
        return None, None
    try:
        folder = model_folder(model_in_use(None, workspace), workspace.directory.parent)
        health = bootstrap.vector_index(settings_of(workspace, folder)).health()
    except (UsageError, ImageSearchError):
        return None, None
    return health.images, health.rejected


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
