"""`imagesearch duplicates`: groups of a folder's images or an API's, as a table or JSON lines.

`imagesearch duplicates` as it is typed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagesearch import bootstrap
from imagesearch.domain.images import Document
from imagesearch.duplicates.groups import MAX_GROUPS, Group
from imagesearch.duplicates.similarity import MAX_CONFIDENCE, MIN_CONFIDENCE, THRESHOLD
from local.lambda_runtime import settings_of
from local.models import model_folder, model_in_use
from local.options import DATA_DIR, DataDir, Endpoint, Model
from local.output import printable
from local.workspace import Workspace, last_used, workspace_of

Line: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How sure duplicates must be, and where they are looked for."""

    threshold: float
    collection: str | None


def groups_of_folder(workspace: Workspace, model: str, wanted: Wanted) -> Iterator[Line]:
    """All groups, with files' paths in place of addresses.

    Raises WrongUsage, and what the use case raises.
    """
    workspace.must_be_indexed()
    settings = settings_of(workspace, model_folder(model, workspace.directory.parent))
    duplicates = bootstrap.duplicate_groups(settings)
    cursor = None
    while True:
        page = duplicates.page(
            threshold=wanted.threshold,
            collection=wanted.collection or None,
            cursor=cursor,
            limit=MAX_GROUPS,
        )
        yield from (_line(group, workspace.folder) for group in page.groups)
        if (cursor := page.cursor) is None:
            return


def groups_of_endpoint(endpoint: str, wanted: Wanted) -> Iterator[Line]:
    """All groups of a deployed system, as its API answers. Raises WrongUsage."""
    from local.endpoint import api_at

    options = {"collection": wanted.collection} if wanted.collection else {}
    with api_at(endpoint) as api:
        for group in api.duplicates(threshold=wanted.threshold, limit=MAX_GROUPS, **options):
            yield dict(group)


def print_lines(groups: Iterable[Line]) -> None:
    for group in groups:
        print(json.dumps(group, ensure_ascii=False))  # noqa: T201


def print_table(groups: Iterable[Line]) -> None:
    """Keys are shown as text: a file's name may look like markup."""
    table = Table("group", "kind", "pixels", "bytes", "key", box=None, pad_edge=False)
    for number, group in enumerate(groups, 1):
        for image in group["images"]:
            pixels = f"{image['width']} x {image['height']}"
            key = Text(printable(image["key"]), overflow="fold")
            table.add_row(str(number), group["kind"], pixels, f"{image['size']:,}", key)
    Console(highlight=False).print(table)


def _line(group: Group, folder: Path) -> Line:
    """A group as the API has it, with the files' paths: no server runs."""
    return {
        "kind": group.kind.value,
        "size": group.size,
        "original": group.documents[0].id,
        "images": [_image(document, folder) for document in group.documents],
    }


def _image(document: Document, folder: Path) -> Line:
    return {
        "id": document.id,
        "key": document.ref.key,
        "path": str(folder / document.ref.key),
        "width": document.width,
        "height": document.height,
        "size": document.size,
        "content_type": document.content_type,
    }


Folder = Annotated[Path | None, typer.Option(help="Default: the last one indexed.")]
Collection = Annotated[str | None, typer.Option(help="Only below this subfolder.")]
Threshold = Annotated[
    float,
    typer.Option(min=MIN_CONFIDENCE, max=MAX_CONFIDENCE, help="How sure it must be at least."),
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

    wanted = Wanted(threshold, collection)
    if endpoint:
        groups = groups_of_endpoint(endpoint, wanted)
    else:
        workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
        groups = groups_of_folder(workspace, model_in_use(model, workspace), wanted)
    (print_lines if as_json else print_table)(groups)
