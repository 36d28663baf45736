"""`imagesearch duplicates`: list groups of duplicate images in a folder or a deployed system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from local.data_directory import DATA_DIR
from local.options import (
    Collection,
    DataDir,
    Endpoint,
    Folder,
    Json,
    Model,
    Paths,
    end_without_results,
)
from local.workspace import Workspace, selected_workspace

if TYPE_CHECKING:
    from imagesearch.domain.images import Document
    from imagesearch.duplicates.groups import Group

# Copies of the constants in imagesearch.duplicates.similarity, whose import loads numpy. A unit
# test holds them equal.
DEFAULT_CONFIDENCE, MIN_CONFIDENCE, MAX_CONFIDENCE = 0.95, 0.8, 0.9999

GroupRow: TypeAlias = dict[str, Any]


def duplicates(
    folder: Folder = None,
    collection: Collection = None,
    threshold: Annotated[
        float,
        typer.Option(
            min=MIN_CONFIDENCE, max=MAX_CONFIDENCE, help="Minimum confidence of a duplicate."
        ),
    ] = DEFAULT_CONFIDENCE,
    as_json: Json = False,
    paths: Paths = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List groups of duplicate images, the likeliest original of each group first.

    Exit status 1: there are no duplicates.
    """
    groups: Iterable[GroupRow]
    options = DuplicatesOptions(threshold, collection)
    if endpoint:
        groups = groups_of_endpoint(endpoint, options)
    else:
        from local.models.choice import model_in_use

        workspace = selected_workspace(folder, data_dir)
        groups = groups_of_folder(workspace, model_in_use(model, workspace), options)
    groups = list(groups)
    if as_json:
        from local.terminal.tables import print_json_lines

        print_json_lines(groups)
    elif paths:
        from local.terminal.tables import print_paths

        images = [image for group in groups for image in group["images"]]
        print_paths(image.get("path") or image["url"] for image in images)
    else:
        print_groups(groups)
    if not groups:
        end_without_results("no duplicates")


@dataclass(frozen=True, slots=True)
class DuplicatesOptions:
    """The minimum confidence of a duplicate, and the collection to search or None for all."""

    threshold: float
    collection: str | None


def groups_of_folder(
    workspace: Workspace, model: str, options: DuplicatesOptions
) -> Iterator[GroupRow]:
    """All groups in the API's shape, with file paths instead of URLs.

    Raises UsageError, and the errors of the use case.
    """
    from imagesearch import bootstrap
    from imagesearch.duplicates.groups import MAX_GROUPS
    from local.lambda_runtime import settings_of
    from local.models.installed import model_folder

    workspace.must_be_indexed()
    settings = settings_of(workspace, model_folder(model, workspace.directory.parent))
    duplicates = bootstrap.duplicate_groups(settings)
    cursor = None
    while True:
        page = duplicates.page(
            threshold=options.threshold,
            collection=options.collection or None,
            cursor=cursor,
            limit=MAX_GROUPS,
        )
        yield from (_group_row(group, workspace.folder) for group in page.groups)
        if (cursor := page.cursor) is None:
            return


def groups_of_endpoint(endpoint: str, options: DuplicatesOptions) -> Iterator[GroupRow]:
    """All groups as a deployed API returns them. Raises UsageError."""
    from imagesearch.duplicates.groups import MAX_GROUPS
    from local.endpoint import api_at

    fields = {"collection": options.collection} if options.collection else {}
    with api_at(endpoint) as api:
        for group in api.duplicates(threshold=options.threshold, limit=MAX_GROUPS, **fields):
            yield dict(group)


def print_groups(groups: Iterable[GroupRow]) -> None:
    """Print one row an image."""
    from local.terminal.tables import Cell, print_table, record_cell

    rows: list[list[Cell]] = []
    for number, group in enumerate(groups, 1):
        for image in group["images"]:
            pixels, size = f"{image['width']} x {image['height']}", f"{image['size']:,}"
            rows.append([str(number), group["kind"], pixels, size, record_cell(image)])
    print_table(["group", "kind", "pixels", "bytes", "key"], rows)


def _group_row(group: Group, folder: Path) -> GroupRow:
    return {
        "kind": group.kind.value,
        "size": group.size,
        "original": group.documents[0].id,
        "images": [_image_row(document, folder) for document in group.documents],
    }


def _image_row(document: Document, folder: Path) -> dict[str, Any]:
    return {
        "id": document.id,
        "key": document.ref.key,
        "path": str(folder / document.ref.key),
        "width": document.width,
        "height": document.height,
        "size": document.size,
        "content_type": document.content_type,
    }
