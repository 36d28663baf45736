"""`imagesearch list` and `show`: the records of an indexed folder or of a deployed API."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.options import (
    DataDir,
    Endpoint,
    Folder,
    InFolder,
    Json,
    Model,
    Paths,
    end_without_results,
)
from local.workspace import selected_workspace, workspace_and_prefix

SORTS = ("key", "taken_at", "-taken_at")


def list_images(
    in_folder: InFolder = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List rejected files with the reasons.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="key, taken_at (oldest first) or -taken_at (newest first).")
    ] = "key",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of images. Default: all.")
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
    paths: Paths = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List the indexed images of a folder or a deployed system, or its rejected files.

    Exit status 1: there are none.
    """
    from local.terminal.tables import print_json_lines, print_paths

    if sort not in SORTS:
        raise UsageError(f"--sort is one of {', '.join(SORTS)}")
    status = "rejected" if rejected else "indexed"
    if endpoint:
        from local.endpoint import prefix_of, records_at

        found = records_at(endpoint, status, prefix_of(in_folder), sort, limit)
    else:
        from local.searches import document_row, documents

        workspace, prefix = workspace_and_prefix(folder, in_folder, data_dir)
        conditions = {"prefix": prefix} if prefix else {}
        listed = documents(workspace, model, status, conditions, sort)
        found = (document_row(each, workspace) for each in listed)
    rows = list(islice(found, limit))
    if as_json:
        print_json_lines(rows)
    elif paths:
        print_paths(row.get("path") or row["url"] for row in rows)
    else:
        _print_records(rows, rejected)
    if not rows:
        end_without_results("no rejected files" if rejected else "no images")


def _print_records(rows: list[dict[str, Any]], rejected: bool) -> None:
    from local.terminal.tables import Cell, print_table, record_cell

    cells: list[list[Cell]] = []
    for row in rows:
        if rejected:
            cells.append([record_cell(row), row["reason"] or ""])
        else:
            taken = (row["taken_at"] or "")[:10]
            cells.append([record_cell(row), f"{row['width']} x {row['height']}", taken])
    print_table(["key", "reason"] if rejected else ["key", "pixels", "taken"], cells)


def show(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="File, key or id of an indexed image.")
    ],
    folder: Folder = None,
    as_json: Json = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the image in the terminal, too.")
    ] = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Show the record of one image: its file, size, capture time, camera and state."""
    from local.terminal.tables import Cell, file_cell, print_json_lines, print_table

    if endpoint:
        from local.endpoint import record_at

        row = record_at(endpoint, image)
    else:
        from local.searches import document_row, record

        workspace = selected_workspace(folder, data_dir)
        row = document_row(record(workspace, model, image), workspace)
    if as_json:
        print_json_lines([row])
        return
    if preview:
        from local.terminal.preview import print_image

        print_image(row)
    metadata = {
        f"metadata.{name}": value for name, value in (row.pop("metadata", None) or {}).items()
    }
    fields: list[list[Cell]] = [
        [name, file_cell(value, Path(value)) if name.endswith("path") else str(value)]
        for name, value in (row | metadata).items()
        if value is not None
    ]
    print_table(["field", "value"], fields)
