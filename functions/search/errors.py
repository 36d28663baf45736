"""The mapping of every error to its HTTP status, headers and body."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import ValidationError

from imagesearch.domain.errors import (
    DamagedIndex,
    ImageSearchError,
    InvalidQuery,
    NotAllowed,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    UnreadableImage,
    UnsupportedMediaType,
)

from .request_log import RequestLog
from .responses import error_body, json_response

RETRY_SECONDS = 5
STATUS: dict[type[ImageSearchError], int] = {
    InvalidQuery: 400,
    NotAllowed: 403,
    NotFound: 404,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    UnreadableImage: 422,
    Unavailable: 503,
    DamagedIndex: 503,
}
# One code for one rule, in whichever parameter or field it is broken. The outermost field decides:
# an error in the condition "image" of a filter is an error of the filter.
_CODES = {
    "filter": "invalid_filter",
    "q": "invalid_text",
    "text": "invalid_text",
    "image": "invalid_image",
    "limit": "invalid_limit",
    "threshold": "invalid_threshold",
    "url": "invalid_url",
    "cursor": "invalid_cursor",
    "name": "invalid_name",
    "content_type": "invalid_content_type",
    "metadata": "invalid_metadata",
    "labels": "invalid_labels",
    "labelset": "invalid_name",
    "search_id": "invalid_search_id",
    "neighbours": "invalid_neighbours",
    "min_relevance": "invalid_min_relevance",
    "like": "invalid_opinions",
    "unlike": "invalid_opinions",
}


class UnknownRoute(NotFound):
    code = "unknown_route"

    def __init__(self) -> None:
        super().__init__("no such path", "GET /openapi.json lists the paths")


class MethodNotAllowed(ImageSearchError):
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        self.allow = ", ".join(allowed)
        super().__init__(f"the path does not support {method}", f"use {self.allow}")


def error_response(error: Exception, log: RequestLog) -> Response[str]:
    """The response to an error; an unexpected one is logged with its stack and reported as 500.

    The cause of a 503 is logged, too.
    """
    known = _known_error(error)
    status, headers = _status(known)
    if not isinstance(known, ImageSearchError) or status == 500:
        log.unexpected(error)
        known = internal_error(log.request_id)
    elif isinstance(known, Unavailable):
        log.unavailable(known)
    log.add(code=known.code)
    return json_response(error_body(known), status, headers)


def internal_error(request_id: str) -> ImageSearchError:
    """The error for a defect, whose cause is in the log alone."""
    return ImageSearchError("internal error", f"report it with request ID {request_id}")


def _known_error(error: Exception) -> Exception:
    """The first validation error as InvalidQuery; any other error unchanged."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        repeated = isinstance(first["input"], list)
        # The first element of the location is "query" or "path".
        return _invalid(first, first["loc"][1:], "the parameter is repeated" if repeated else "")
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        return _invalid(first, first["loc"])
    return error


def _status(error: Exception) -> tuple[int, dict[str, str]]:
    """The HTTP status and its headers."""
    if isinstance(error, MethodNotAllowed):
        return 405, {"Allow": error.allow}
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status, {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    return 500, {}


def _invalid(error: Any, location: Sequence[object], message: str = "") -> InvalidQuery:
    """A pydantic error as InvalidQuery that names the field."""
    field = ".".join(map(str, location))
    hint = "GET /openapi.json describes the request"
    if error["type"] == "extra_forbidden":
        return InvalidQuery(f"unknown field {field!r}", hint, "unknown_field")
    if error["type"] == "unknown_condition":
        return InvalidQuery(f"{field}: {error['msg']}", hint, "unknown_field")
    if error["type"] == "json_invalid":
        return InvalidQuery(f"the body: {error['msg']}", hint, "invalid_json")
    message = message or error["msg"]
    code = next((_CODES[name] for name in map(str, location) if name in _CODES), "invalid_query")
    return InvalidQuery(f"{field or 'the body'}: {message}", hint, code)
