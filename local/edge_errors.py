"""The answers that API Gateway would give by itself, in the shape of the API's errors."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EdgeError:
    """An error answer that never reaches the search function."""

    status: str
    code: str
    message: str
    hint: str = ""

    def body(self) -> bytes:
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        return json.dumps({"error": error}).encode()


# In the words of template.yaml.
FORBIDDEN = EdgeError(
    "403 Forbidden",
    "forbidden",
    "The request has no API key or a wrong one.",
    "Send the key in the header x-api-key.",
)
NO_FILE = EdgeError("404 Not Found", "not_found", "there is no such file in the folder")
FILES_ARE_READ_ONLY = EdgeError(
    "405 Method Not Allowed", "method_not_allowed", "files are only read here", "use GET or HEAD"
)
NOT_TEXT = EdgeError(
    "400 Bad Request",
    "invalid_body",
    "the body is not UTF-8 text",
    "name the type of image bytes in the header content-type, such as image/jpeg",
)
BROKEN = EdgeError(
    "502 Bad Gateway",
    "internal_error",
    "the search function failed",
    "look at what the server wrote on its terminal",
)


def foreign_host(host: str) -> EdgeError:
    return EdgeError(
        "421 Misdirected Request",
        "foreign_host",
        f"this server does not answer to the name {host!r}",
        "use http://127.0.0.1 or http://localhost, or start the server with --host",
    )


def foreign_origin(origin: str) -> EdgeError:
    return EdgeError(
        "403 Forbidden",
        "foreign_origin",
        f"pages of {origin!r} may not change anything here",
        "send the request from the search page, or without a browser",
    )
