"""`imagesearch list` and `show`: the records of an indexed folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from local.errors import UsageError
from local.options import (
    DATA_DIR,
    NOTHING_FOUND,
    DataDir,
    Folder,
    InFolder,
    Json,
    Model,
    Paths,
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
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List the indexed images of a folder, or its rejected files.

    Exit status 1: there are none.
    """
    from local.searches import document_row, documents
    from local.tables import Cell, file_cell, print_json_lines, print_paths, print_table

    if sort not in SORTS:
        raise UsageError(f"--sort is one of {', '.join(SORTS)}")
    workspace, prefix = workspace_and_prefix(folder, in_folder, data_dir)
    conditions = {"prefix": prefix} if prefix else {}
    status = "rejected" if rejected else "indexed"
    found = documents(workspace, model, status, conditions, sort)
    rows = [document_row(each, workspace) for each in islice(found, limit)]
    if as_json:
        print_json_lines(rows)
    elif paths:
        print_paths(row["path"] for row in rows)
    else:
        cells: list[list[Cell]] = []
        for row in rows:
            file = file_cell(row["key"], Path(row["path"]))
            if rejected:
                cells.append([file, row["reason"] or ""])
            else:
                taken = (row["taken_at"] or "")[:10]
                cells.append([file, f"{row['width']} x {row['height']}", taken])
        print_table(["key", "reason"] if rejected else ["key", "pixels", "taken"], cells)
    if not rows:
        raise typer.Exit(NOTHING_FOUND)


def show(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="File, key or id of an indexed image.")
    ],
    folder: Folder = None,
    as_json: Json = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the image in the terminal, too.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Show the record of one image: its file, size, capture time, camera and state."""
    from local.searches import document_row, record
    from local.tables import print_json_lines, print_table

    workspace = selected_workspace(folder, data_dir)
    row = document_row(record(workspace, model, image), workspace)
    if as_json:
        print_json_lines([row])
        return
    if preview:
        from local.preview import print_image

        print_image(row)
    metadata = {f"metadata.{name}": value for name, value in row.pop("metadata").items()}
    fields = [[name, str(value)] for name, value in (row | metadata).items() if value is not None]
    print_table(["field", "value"], fields)
