"""The API as one table: which request is answered by which route, and with what."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from aws_lambda_powertools.event_handler import Response

from .answers import Answer, Health, ImageList, ImageRecord, SearchResult
from .routes import Routes


@dataclass(frozen=True)
class Operation:
    """`errors` are the statuses that this one can answer besides those that all can.

    One without `answers` is a page for people: it needs no key and is not in the document.
    """

    method: str
    path: str
    function: Callable[..., Response[Any]]
    answers: type[Answer] | None = None
    summary: str = ""
    errors: tuple[int, ...] = ()
    description: str = ""

    @property
    def openapi_path(self) -> str:
        return re.sub(r"<(\w+)>", r"{\1}", self.path)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"<\w+>", "[^/]+", self.path).rstrip("/") + "/*")

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names that its query string may hold."""
        names = set(inspect.signature(self.function).parameters)
        return frozenset(names - set(re.findall(r"<(\w+)>", self.path)) - {"request"})


PAGES = """Up to `limit` hits, nearest first. `cursor` of the answer gets the next page of the same
search; every match comes once, to a depth of 1,000 hits."""
POSTED = f"""{PAGES}

Send JSON, or the bytes of an image; beside image bytes, `limit`, `cursor` and `collection` are
parameters."""
BY_WORDS = "Find images by words"
BY_ANYTHING = "Find images by words, by an image, or by an indexed image"
LISTED = "List images in the order of their keys"
RECORD = "One image's record"
SIMILAR = "The neighbours of an indexed image, itself left out"
HEALTH = "Whether a search would succeed"
UNREADABLE = (404, 413, 415, 422, 503)
AWAY = (503,)
MISSING = (404, 503)


def operations(routes: Routes) -> list[Operation]:
    """Every operation but those that describe them; under /v1/ a key is needed where one is set."""
    get, post = partial(Operation, "GET"), partial(Operation, "POST")
    search, image = "/v1/search", "/v1/images/<id>"
    return [
        get("/", routes.page),
        get(search, routes.search_text, SearchResult, BY_WORDS, AWAY, PAGES),
        post(search, routes.search_posted, SearchResult, BY_ANYTHING, UNREADABLE, POSTED),
        get("/v1/images", routes.images, ImageList, LISTED, AWAY),
        get(image, routes.image, ImageRecord, RECORD, MISSING),
        get(f"{image}/similar", routes.similar, SearchResult, SIMILAR, MISSING, PAGES),
        get("/v1/health", routes.health, Health, HEALTH, AWAY),
    ]
