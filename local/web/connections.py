"""Connections of the HTTP server (waitress): requests are admitted by their headers, and limited.

A client that is slow or silent holds its connection and nothing else, for a limited time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from typing import Any, TypeAlias
from wsgiref.types import WSGIEnvironment

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask

from local.web.errors import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    FUNCTION_FAILED,
    HEADERS_TOO_LARGE,
    ErrorResponse,
)

# The WSGI variable with the address of this machine to which the client is connected.
LOCAL_ADDRESS = "imagesearch.local_address"
# As Apache's mod_reqtimeout: https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html
HEADER_SECONDS = 20.0
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
# After an error, the rest of a body is read and discarded for so long: a connection that is closed
# before the client has sent everything is reset, and the client may not see the response.
DRAIN_SECONDS = 5.0
_ERRORS = {413: BODY_TOO_LARGE, 431: HEADERS_TOO_LARGE, 500: FUNCTION_FAILED}
# The largest body of a request with these headers in bytes, or the error that it gets.
Admission: TypeAlias = Callable[[WSGIEnvironment], int | ErrorResponse]


class Parser(HTTPRequestParser):
    """Parses a request, and admits it before its body is read."""

    path: str
    proxy_scheme: str
    proxy_netloc: str
    headers: dict[str, str]

    def __init__(self, adj: Any, channel: Any) -> None:
        super().__init__(adj)
        self._channel = channel
        self.started = time.monotonic()
        self.error: Any = None

    def received(self, data: bytes) -> int:
        in_header = not self.headers_finished
        consumed = super().received(data)
        if in_header and self.headers_finished and not (self.error or self.completed):
            self._admit()
        if self.error:
            # Otherwise waitress invites the client to send the body.
            self.expect_continue = False
            self._channel.drain()
            return len(data)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head; raises ParsingError.

        A target such as `http://photos.example/` names the host instead of the header (RFC 9112,
        3.2.2). If they differ, both are in the header, as if it were repeated, and are refused.
        """
        if b"\r\n " in header_plus or b"\r\n\t" in header_plus:
            raise ParsingError("a header is folded")  # RFC 9112, 5.2
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of urllib, for a host such as `[`
            raise ParsingError("the target is not a URL") from error
        host, named = self.headers.get("HOST", ""), self.proxy_netloc
        if self.proxy_scheme and named.lower() != host.lower():
            self.headers["HOST"] = f"{host}, {named}"

    def overdue(self, now: float) -> bool:
        """True if the client sends this request too slowly."""
        limit = HEADER_SECONDS
        if self.headers_finished:
            limit += BODY_SECONDS + self.body_bytes_received / BODY_BYTES_PER_SECOND
        return now - self.started > limit

    def _admit(self) -> None:
        """Refuse a request with a body by its headers, or set the limit of the body."""
        admitted = self._channel.server.admission(self._environment())
        if isinstance(admitted, ErrorResponse):
            self.error = admitted
        elif self.content_length > admitted:
            self.error = BODY_TOO_LARGE
        else:
            self.adj = copy(self.adj)
            # Waitress refuses a body of exactly this size.
            self.adj.max_request_body_size = admitted + 1
        self.completed = self.error is not None

    def _environment(self) -> WSGIEnvironment:
        """The variables that an admission needs."""
        return {
            **{f"HTTP_{name}": value for name, value in self.headers.items()},
            "REQUEST_METHOD": self.command,
            "PATH_INFO": self.path,
            "REMOTE_ADDR": self._channel.addr[0],
            LOCAL_ADDRESS: self._channel.local_address,
        }


class _Task(WSGITask):
    channel: Any

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        return {**environ, LOCAL_ADDRESS: self.channel.local_address}


class _JsonErrorTask(ErrorTask):
    """An error that the server raises itself, in the shape of the API's errors."""

    channel: Any
    request: Any

    def execute(self) -> None:
        error = self.request.error
        if not isinstance(error, ErrorResponse):
            error = _ERRORS.get(error.code, BAD_REQUEST)
        body = error.body()
        self.status = error.status
        self.response_headers = [("Content-Type", "application/json"), *error.headers]
        if self.channel.draining:
            self.response_headers.append(("Connection", "close"))
        self.content_length = len(body)
        # An invalid request has no method.
        self.write(b"" if getattr(self.request, "command", "") == "HEAD" else body)

    def set_close_on_finish(self) -> None:
        if not self.channel.draining:
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """The connection of a client."""

    request: Any
    socket: Any
    task_class = _Task
    error_task_class: Any = _JsonErrorTask

    def __init__(self, server: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.local_address = str(sock.getsockname()[0])
        self._draining_since: float | None = None
        self.parser_class: Any = lambda adj: Parser(adj, self)
        super().__init__(server, sock, *args, **kwargs)

    @property
    def draining(self) -> bool:
        """True after an error: what the client sends is discarded, until it closes."""
        return self._draining_since is not None

    def drain(self) -> None:
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    def received(self, data: bytes) -> bool:
        return False if self.draining else bool(super().received(data))

    def service(self) -> None:
        super().service()
        # The thread that reads may close the connection at any time, which sets it to None.
        connection, is_sent = self.socket, not self.requests and not self.total_outbufs_len
        if connection and self.draining and is_sent:
            with suppress(OSError):
                # Ends the response of a client that waits for the end of the connection.
                connection.shutdown(socket.SHUT_WR)

    def overdue(self, now: float) -> bool:
        """True if the connection is to be closed, because its client is too slow."""
        if self.requests:
            return False
        if self._draining_since is not None:
            return now - self._draining_since > DRAIN_SECONDS
        return self.request is not None and self.request.overdue(now)
