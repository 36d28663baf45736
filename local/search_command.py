"""`imagesearch search`: one search through the search function, as a table or JSON lines."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local import functions
from local.environment import set_environment
from local.lambda_context import LambdaContext
from local.model_choice import model_folder
from local.proxy_events import HttpRequest, http_answer, proxy_event
from local.refusal import WrongUsage
from local.report import printable
from local.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for: words or the image in a file, and how much of it is shown."""

    text: str | None
    image: Path | None
    limit: int
    collection: str | None

    def request(self) -> HttpRequest:
        """The request that an HTTP client would send. Raises WrongUsage."""
        query = [("limit", str(self.limit))]
        if self.collection is not None:
            query.append(("collection", self.collection))
        if self.image is None:
            return HttpRequest("GET", "/v1/search", [("q", self.text or ""), *query])
        try:
            data = self.image.expanduser().read_bytes()
        except OSError as error:
            raise WrongUsage(f"cannot read {self.image}: {error.strerror}") from error
        headers = {"content-type": "image/*"}
        return HttpRequest("POST", "/v1/search", query, headers, data)


def search_folder(workspace: Workspace, model: str, wanted: Wanted) -> list[dict[str, Any]]:
    """The hits, as the API answers them. Raises WrongUsage with the API's own words."""
    if not workspace.index_file.is_file():
        raise WrongUsage(
            f"there is no index of {workspace.folder} yet: run `imagesearch index` with it first"
        )
    request = wanted.request()
    set_environment(workspace, model_folder(model, workspace.directory.parent))
    answer = http_answer(functions.search()(proxy_event(request), LambdaContext("search")))
    body = json.loads(answer.body)
    if answer.status != 200:
        error = body["error"]
        raise WrongUsage("; ".join(filter(None, (error["message"], error["hint"]))))
    return list(body["hits"])


def print_lines(hits: list[dict[str, Any]]) -> None:
    for hit in hits:
        print(json.dumps(hit, ensure_ascii=False))  # noqa: T201


def print_table(hits: list[dict[str, Any]]) -> None:
    """Keys are shown as text: a file's name may look like markup."""
    table = Table("score", "key", box=None, pad_edge=False)
    for hit in hits:
        table.add_row(f"{hit['score']:.3f}", Text(printable(hit["key"]), overflow="fold"))
    Console(highlight=False).print(table)
