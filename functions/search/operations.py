"""The API as one table: which request is answered by which route, and with what."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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


def operations(routes: Routes) -> list[Operation]:
    """Every operation but those that describe them; under /v1/ a key is needed where one is set."""
    return [
        Operation("GET", "/", routes.page),
        Operation(
            "GET",
            "/v1/search",
            routes.search_text,
            SearchResult,
            "Find images by words",
            (503,),
            PAGES,
        ),
        Operation(
            "POST",
            "/v1/search",
            routes.search_posted,
            SearchResult,
            "Find images by words, by an image, or by an indexed image",
            (404, 413, 415, 422, 503),
            PAGES
            + """

Send JSON, or the bytes of an image; beside image bytes, `limit`, `cursor` and `collection` are
parameters.""",
        ),
        Operation(
            "GET",
            "/v1/images",
            routes.images,
            ImageList,
            "List images in the order of their keys",
            (503,),
        ),
        Operation(
            "GET", "/v1/images/<id>", routes.image, ImageRecord, "One image's record", (404, 503)
        ),
        Operation(
            "GET",
            "/v1/images/<id>/similar",
            routes.similar,
            SearchResult,
            "The neighbours of an indexed image, itself left out",
            (404, 503),
            PAGES,
        ),
        Operation(
            "GET", "/v1/health", routes.health, Health, "Whether a search would succeed", (503,)
        ),
    ]
