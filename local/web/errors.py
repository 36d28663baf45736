"""Error responses that API Gateway or S3 would send, in the shape of the API's errors."""

import json
from dataclasses import dataclass

from functions.search.gateway_errors import forbidden, headers_too_large
from imagesearch.domain.errors import ImageSearchError


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response that does not come from the search function."""

    status: str
    code: str
    message: str
    hint: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        """The response body, as JSON."""
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        return json.dumps({"error": error}).encode()


def _response(status: str, error: ImageSearchError) -> ErrorResponse:
    return ErrorResponse(status, error.code, error.message, error.hint)


# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_BODY_BYTES = 10 * 2**20
# Enough for a form or JSON that is sent to a wrong path, which then gets the error of that path.
MAX_OTHER_BODY_BYTES = 2**16
MAX_QUERY_FIELDS = 100
RETRY_SECONDS = 1

BODY_TOO_LARGE = ErrorResponse(
    "413 Request Entity Too Large",
    "image_too_large",
    "The request is larger than this path takes.",
    "Send at most 4.5 MB of image bytes, or upload the image, up to 64 MB, and search by its id.",
)
HEADERS_TOO_LARGE = _response("431 Request Header Fields Too Large", headers_too_large())
BAD_REQUEST = ErrorResponse(
    "400 Bad Request", "bad_request", "the request is not valid HTTP", "check the client"
)
OVERLOADED = ErrorResponse(
    "503 Service Unavailable",
    "overloaded",
    "the server has more requests than it can answer soon",
    "retry after the time in the header Retry-After",
    (("Retry-After", str(RETRY_SECONDS)),),
)
FORBIDDEN = _response("403 Forbidden", forbidden())
INVALID_PREFIX = ErrorResponse(
    "400 Bad Request",
    "bad_request",
    "the header x-forwarded-prefix is not a path such as /photos",
    "correct the header in the reverse proxy",
)
NO_FILE = ErrorResponse("404 Not Found", "not_found", "the folder has no such file")
FILES_ARE_READ_ONLY = ErrorResponse(
    "405 Method Not Allowed", "method_not_allowed", "files are read-only", "use GET or HEAD"
)
FILE_CHANGED = ErrorResponse(
    "412 Precondition Failed", "file_changed", "the file is not in the state that the request names"
)
NO_SUCH_RANGE = ErrorResponse(
    "416 Range Not Satisfiable", "no_such_range", "the file has none of the requested bytes"
)
POST_ONLY = ErrorResponse(
    "405 Method Not Allowed", "method_not_allowed", "an upload needs the method POST", "use POST"
)
NOT_SIGNED = ErrorResponse(
    "403 Forbidden",
    "upload_not_signed",
    "the form does not match its signature, or has expired",
    "create another upload: POST /v1/images",
)
UPLOADS_ARE_OFF = ErrorResponse(
    "403 Forbidden",
    "not_allowed",
    "this server does not allow uploads",
    "start the server with --allow-uploads",
)
BAD_FORM = ErrorResponse(
    "400 Bad Request",
    "bad_form",
    "the body is not a multipart form whose last field is a file with content",
    "send the fields that POST /v1/images returned, and after them the bytes as the field file",
)
UPLOAD_TOO_LARGE = ErrorResponse(
    "413 Request Entity Too Large",
    "image_too_large",
    "an uploaded image has at most 64 MB",
    "send a smaller copy",
)
ALREADY_UPLOADED = ErrorResponse(
    "409 Conflict",
    "already_uploaded",
    "this form was used for an upload already",
    "create another upload: POST /v1/images",
)
NOT_WRITTEN = ErrorResponse(
    "503 Service Unavailable",
    "unavailable",
    "the image cannot be written to the folder",
    "check free disk space and the folder's permissions",
)
INDEX_UNAVAILABLE = ErrorResponse(
    "503 Service Unavailable",
    "unavailable",
    "the index is unavailable",
    "retry after the time in the header Retry-After",
    (("Retry-After", str(RETRY_SECONDS)),),
)
KEY_IS_LIMITED = ErrorResponse(
    "403 Forbidden",
    "not_allowed",
    "this API key is limited to collections and cannot change the model",
    "use a key that is not limited to collections",
)
NO_ROUTE = ErrorResponse(
    "404 Not Found", "unknown_route", "there is no such path", "read /openapi.json"
)
MODEL_IN_USE = ErrorResponse("409 Conflict", "model_in_use", "this model is in use already")
TOO_MANY_FIELDS = ErrorResponse(
    "400 Bad Request",
    "unknown_parameter",
    f"the query has more than {MAX_QUERY_FIELDS} parameters",
    "GET /openapi.json lists the parameters of each path",
)
NOT_TEXT = ErrorResponse(
    "400 Bad Request",
    "invalid_body",
    "the body is not UTF-8 text",
    "set the header content-type of image bytes, such as image/jpeg",
)
FUNCTION_FAILED = ErrorResponse(
    "502 Bad Gateway",
    "internal_error",
    "the search function failed",
    "read the log on the terminal of the server",
)


def unknown_model(message: str, hint: str) -> ErrorResponse:
    """No model with this name can be installed."""
    return ErrorResponse("404 Not Found", "unknown_model", message, hint)


def switch_in_progress(name: str) -> ErrorResponse:
    """Another model is being installed or indexed."""
    return ErrorResponse(
        "409 Conflict",
        "switch_in_progress",
        f"the server is switching to {name}",
        "wait until GET /v1/health has no next_model",
    )


def wrong_method(allowed: str) -> ErrorResponse:
    """The path exists, but not with this method."""
    return ErrorResponse(
        "405 Method Not Allowed",
        "method_not_allowed",
        f"the path needs the method {allowed}",
        f"use {allowed}",
    )


def foreign_host(host: str) -> ErrorResponse:
    """The Host header names another server: possibly DNS rebinding."""
    return ErrorResponse(
        "421 Misdirected Request",
        "foreign_host",
        f"this server does not accept the host name {host!r}",
        "use http://127.0.0.1 or http://localhost, or start the server with --allow-host NAME",
    )


def foreign_origin(origin: str) -> ErrorResponse:
    """A page of another site sent the request."""
    return ErrorResponse(
        "403 Forbidden",
        "foreign_origin",
        f"pages of {origin!r} have no write access",
        "send the request from the search page, or without a browser",
    )
