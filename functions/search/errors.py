"""The one mapping from what can go wrong to the answer that says so."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import ValidationError

from imagesearch.domain.errors import (
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
from .responses import answer, refusal

RETRY_SECONDS = 5
STATUS: dict[type[ImageSearchError], int] = {
    InvalidQuery: 400,
    NotAllowed: 403,
    NotFound: 404,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    UnreadableImage: 422,
    Unavailable: 503,
}


class UnknownRoute(NotFound):
    code = "unknown_route"

    def __init__(self) -> None:
        super().__init__("there is nothing at this address", "GET /openapi.json lists what is")


class MethodNotAllowed(ImageSearchError):
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        self.allow = ", ".join(allowed)
        super().__init__(f"{method} is not answered here", f"use {self.allow}")


def failure(error: Exception, log: RequestLog) -> Response[str]:
    """The answer to an error, in the shape that every error has."""
    said = _as_ours(error)
    status, headers = _status(said)
    if not isinstance(said, ImageSearchError) or status == 500:
        log.unexpected(error)
        said = ImageSearchError("something broke here", f"quote the request {log.request_id}")
    log.note(code=said.code)
    return answer(refusal(said), status, headers)


def _as_ours(error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):  # its places begin with "query" or "path"
        first = error.errors()[0]
        repeated = isinstance(first["input"], list)
        return _invalid(first, first["loc"][1:], "it is given more than once" if repeated else "")
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        return _invalid(first, first["loc"])
    return error


def _status(error: Exception) -> tuple[int, dict[str, str]]:
    if isinstance(error, MethodNotAllowed):
        return 405, {"Allow": error.allow}
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status, {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    return 500, {}


# A rule has one code, wherever the parameter or field sits that it is about; the outermost counts:
# what a filter says of an entry "image" is about the filter.
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
}


def _invalid(found: Any, place: Sequence[object], message: str = "") -> InvalidQuery:
    """The first thing that is wrong with the request, and in which field."""
    field = ".".join(str(part) for part in place)
    hint = "GET /openapi.json says what is possible here"
    if found["type"] == "extra_forbidden":
        return InvalidQuery(f"there is no field {field!r}", hint, "unknown_field")
    if found["type"] == "unknown_condition":
        return InvalidQuery(f"{field}: {found['msg']}", hint, "unknown_field")
    if found["type"] == "json_invalid":
        return InvalidQuery(f"the body: {found['msg']}", hint, "invalid_json")
    message = message or found["msg"]
    code = next((_CODES[part] for part in map(str, place) if part in _CODES), "invalid_query")
    return InvalidQuery(f"{field or 'the body'}: {message}", hint, code)
