"""The path prefix of a reverse proxy: `serve --root-path`, or the proxy's X-Forwarded-Prefix."""

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from local.errors import UsageError
from local.web.connections import Admission
from local.web.errors import INVALID_PREFIX, ErrorResponse
from local.web.gateway import request_path, send_error
from local.web.hosts import is_loopback

HEADER = "HTTP_X_FORWARDED_PREFIX"
# Unreserved characters (RFC 3986), and no two slashes: //name would be another host.
_SEGMENTS = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
MAX_LENGTH = 200


class RootPath:
    """An application below a path prefix, with and without proxies that remove the prefix.

    The header is read from loopback addresses only, because any client can send it.
    """

    def __init__(
        self, app: WSGIApplication, root_path: str = "", admit: Admission = lambda _: 0
    ) -> None:
        """`admit` is the admission of requests to `app`, see `admit`."""
        self._app = app
        self._root_path = root_path
        self._admit = admit

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prefix = self._prefix(environ)
        if prefix is None:
            return send_error(INVALID_PREFIX, environ, start_response)
        if prefix and request_path(environ) == prefix:
            start_response("308 Permanent Redirect", [("Location", f"{prefix}/")])
            return []
        return self._app(_below(prefix, environ), start_response)

    def admit(self, environ: WSGIEnvironment) -> int | ErrorResponse:
        """The largest body of a request in bytes, or its error; by its headers."""
        prefix = self._prefix(environ)
        return INVALID_PREFIX if prefix is None else self._admit(_below(prefix, environ))

    def _prefix(self, environ: WSGIEnvironment) -> str | None:
        """The prefix of a request; None if its header is invalid."""
        forwarded = environ.get(HEADER)
        if forwarded is not None and is_loopback(environ.get("REMOTE_ADDR", "")):
            return _checked(forwarded)
        return self._root_path


def _below(prefix: str, environ: WSGIEnvironment) -> WSGIEnvironment:
    """The variables of a request without the prefix in its path."""
    within = {"SCRIPT_NAME": prefix}
    if prefix and request_path(environ).startswith(f"{prefix}/"):
        within["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
    return {**environ, **within}


def root_path_of(text: str) -> str:
    """The path of the option --root-path. Raises UsageError."""
    root_path = _checked(text)
    if root_path is None:
        raise UsageError(f"--root-path is {text!r}: use a path such as /photos")
    return root_path


def _checked(prefix: str) -> str | None:
    """The prefix without a slash at its end; None if it is not a path."""
    valid = len(prefix) <= MAX_LENGTH and _SEGMENTS.fullmatch(prefix)
    dots = {".", ".."} & set(prefix.split("/"))
    return prefix.rstrip("/") if valid and not dots else None
