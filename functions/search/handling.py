"""Handles an HTTP request: resolves its route and logs what came of it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .api import make_api
from .parts import Parts
from .request_log import RequestLog

Event: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Event, Any], dict[str, Any]]


def make_handler(parts: Parts, log: RequestLog, cors_origin: str | None = None) -> Handler:
    """The Lambda handler of a REST API's proxy events.

    One request at a time, as Lambda gives them: the resolver keeps the request in class attributes.
    """
    api = make_api(parts, log, cors_origin)

    def handle(event: Event, context: Any) -> dict[str, Any]:
        log.begin(getattr(context, "aws_request_id", ""))
        answer: dict[str, Any] = api.resolve(_with_body(event), context)
        log.end(answer["statusCode"])
        return {**answer, "body": ""} if event.get("httpMethod") == "HEAD" else answer

    return handle


def _with_body(event: Event) -> Event:
    """HEAD is answered as GET is, less the body (RFC 9110, 9.3.2)."""
    return {**event, "httpMethod": "GET"} if event.get("httpMethod") == "HEAD" else event
