"""An operation of the API: which request is answered by which function, and with what."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aws_lambda_powertools.event_handler import Response

from .requests import Body
from .responses import Answer

UNREADABLE = (404, 413, 415, 422, 503)
AWAY = (503,)
JSON_AWAY = (413, 415, 503)
MISSING = (404, 503)


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
    body: Body | None = None
    status: int = 200

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
