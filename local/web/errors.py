"""The answers that API Gateway would give by itself, in the shape of the API's errors."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error answer that never reaches the search function."""

    status: str
    code: str
    message: str
    hint: str = ""

    def body(self) -> bytes:
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        return json.dumps({"error": error}).encode()


# In the words of template.yaml.
FORBIDDEN = ErrorResponse(
    "403 Forbidden",
    "forbidden",
    "The request has no API key or a wrong one.",
    "Send the key in the header x-api-key.",
)
NO_FILE = ErrorResponse("404 Not Found", "not_found", "there is no such file in the folder")
FILES_ARE_READ_ONLY = ErrorResponse(
    "405 Method Not Allowed", "method_not_allowed", "files are only read here", "use GET or HEAD"
)
POST_ONLY = ErrorResponse(
    "405 Method Not Allowed", "method_not_allowed", "uploads are only posted", "use POST"
)
NOT_SIGNED = ErrorResponse(
    "403 Forbidden",
    "upload_not_signed",
    "the form is not as it was signed, or its time is over",
    "begin another upload: POST /v1/images",
)
BAD_FORM = ErrorResponse(
    "400 Bad Request",
    "bad_form",
    "the body is no multipart form whose last field is a file that is not empty",
    "send the fields that POST /v1/images gave, and behind them the bytes as the field file",
)
UPLOAD_TOO_LARGE = ErrorResponse(
    "413 Request Entity Too Large",
    "image_too_large",
    "an uploaded image has at most 64 MB",
    "send a smaller copy",
)
TAKEN = ErrorResponse(
    "409 Conflict",
    "already_uploaded",
    "something was uploaded with this form already",
    "begin another upload: POST /v1/images",
)
NOT_WRITTEN = ErrorResponse(
    "503 Service Unavailable",
    "unavailable",
    "the image cannot be written to the folder",
    "check free disk space and the folder's permissions",
)
NOT_TEXT = ErrorResponse(
    "400 Bad Request",
    "invalid_body",
    "the body is not UTF-8 text",
    "name the type of image bytes in the header content-type, such as image/jpeg",
)
BROKEN = ErrorResponse(
    "502 Bad Gateway",
    "internal_error",
    "the search function failed",
    "look at what the server wrote on its terminal",
)


def foreign_host(host: str) -> ErrorResponse:
    return ErrorResponse(
        "421 Misdirected Request",
        "foreign_host",
        f"this server does not answer to the name {host!r}",
        "use http://127.0.0.1 or http://localhost, or start the server with --host",
    )


def foreign_origin(origin: str) -> ErrorResponse:
    return ErrorResponse(
        "403 Forbidden",
        "foreign_origin",
        f"pages of {origin!r} may not change anything here",
        "send the request from the search page, or without a browser",
    )
