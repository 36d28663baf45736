"""`imagesearch duplicates`: groups of images that show one picture, as a table or JSON lines."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagesearch import bootstrap
from imagesearch.domain import Document
from imagesearch.duplicate_groups import MAX_GROUPS, Group
from local.environment import settings_of
from local.model_choice import model_folder, model_in_use
from local.report import printable
from local.workspace import Workspace


def groups_of(
    workspace: Workspace, model: str | None, threshold: float, collection: str | None
) -> Iterator[Group]:
    """All groups. Raises WrongUsage, and what the use case raises."""
    workspace.must_be_indexed()
    folder = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    duplicates = bootstrap.duplicate_groups(settings_of(workspace, folder))
    cursor = None
    while True:
        page = duplicates.page(
            threshold=threshold, collection=collection or None, cursor=cursor, limit=MAX_GROUPS
        )
        yield from page.groups
        if (cursor := page.cursor) is None:
            return


def print_lines(groups: Iterable[Group], folder: Path) -> None:
    for group in groups:
        line = {
            "kind": _kind(group),
            "size": group.size,
            "original": group.documents[0].id,
            "images": [_image(document, folder) for document in group.documents],
        }
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201


def print_table(groups: Iterable[Group]) -> None:
    """Keys are shown as text: a file's name may look like markup."""
    table = Table("group", "kind", "pixels", "bytes", "key", box=None, pad_edge=False)
    for number, group in enumerate(groups, 1):
        for document in group.documents:
            table.add_row(
                str(number),
                _kind(group),
                f"{document.width} x {document.height}",
                f"{document.size:,}",
                Text(printable(document.ref.key), overflow="fold"),
            )
    Console(highlight=False).print(table)


def _image(document: Document, folder: Path) -> dict[str, object]:
    return {
        "id": document.id,
        "key": document.ref.key,
        "path": str(folder / document.ref.key),
        "width": document.width,
        "height": document.height,
        "size": document.size,
        "sha256": document.sha256,
    }


def _kind(group: Group) -> str:
    return "exact" if group.is_exact else "near"
