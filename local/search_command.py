"""`imagesearch search`: one search in a folder's index, as a table or JSON lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagesearch import bootstrap
from imagesearch.domain import Hit
from imagesearch.indexing import Limits
from imagesearch.queries import ImageQuery, Query, Search, TextQuery
from local.environment import settings_of
from local.model_choice import model_folder
from local.refusal import WrongUsage
from local.report import printable
from local.workspace import Workspace

# An image that can be indexed can be searched with: nothing here goes through an API's limits.
MOST_BYTES = Limits().file_bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for: words or the image in a file, and how much of it is shown."""

    text: str | None
    image: Path | None
    limit: int
    collection: str | None

    def search(self) -> Search:
        """Raises WrongUsage for a file that cannot be read."""
        query: Query = ImageQuery(_bytes(self.image)) if self.image else TextQuery(self.text or "")
        return Search(query, self.limit, collection=self.collection or None)


def search_folder(workspace: Workspace, model: str, wanted: Wanted) -> list[Hit]:
    """The nearest images. Raises WrongUsage, and what the search use case raises."""
    if not workspace.index_file.is_file():
        raise WrongUsage(
            f"there is no index of {workspace.folder} yet: run `imagesearch index` with it first"
        )
    search = wanted.search()
    settings = settings_of(workspace, model_folder(model, workspace.directory.parent))
    return bootstrap.searcher(settings).search(search).hits


def print_lines(hits: Sequence[Hit], folder: Path) -> None:
    for hit in hits:
        print(json.dumps(_line(hit, folder), ensure_ascii=False))  # noqa: T201


def print_table(hits: Sequence[Hit]) -> None:
    """Keys are shown as text: a file's name may look like markup."""
    table = Table("score", "key", box=None, pad_edge=False)
    for hit in hits:
        key = Text(printable(hit.document.ref.key), overflow="fold")
        table.add_row(f"{hit.score:.3f}", key)
    Console(highlight=False).print(table)


def _line(hit: Hit, folder: Path) -> dict[str, object]:
    """A hit as the API has it, with the file's path in place of an address: no server runs."""
    document = hit.document
    return {
        "id": document.id,
        "key": document.ref.key,
        "score": max(-1.0, min(1.0, round(hit.score, 6))),
        "path": str(folder / document.ref.key),
        "width": document.width,
        "height": document.height,
        "content_type": document.content_type,
        "taken_at": document.taken_at and document.taken_at.isoformat().replace("+00:00", "Z"),
        "metadata": dict(document.metadata),
    }


def _bytes(image: Path) -> bytes:
    try:
        with image.expanduser().open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WrongUsage(f"cannot read {image}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise WrongUsage(f"{image} has more than {MOST_BYTES:,} bytes: save a smaller copy")
    return data
