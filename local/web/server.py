"""HTTP server (waitress) with the limits of API Gateway and S3, and errors in the API's shape."""

import errno
import socket
import time
from collections.abc import Iterable
from typing import Any, Protocol
from wsgiref.types import StartResponse, WSGIEnvironment

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from functions.search.gateway_errors import MAX_HEADER_BYTES
from local.errors import UsageError
from local.web.connections import Channel
from local.web.errors import ErrorResponse
from local.web.hosts import without_brackets
from local.web.lanes import Lanes

MAX_CONNECTIONS = 512
# A connection without a request is closed after so long, or earlier if others need its place.
IDLE_SECONDS = 60
MAINTENANCE_SECONDS = 1
# The share of MAX_CONNECTIONS above which idle connections are closed.
FULL = 3 / 4
# The memory of a body; what exceeds it is spooled to a temporary file.
BODY_MEMORY_BYTES = 2**17
READ_BYTES = 2**16


class Application(Protocol):
    """A WSGI application that admits requests by their headers, see `connections.Admission`."""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse, /
    ) -> Iterable[bytes]: ...

    def admit(self, environ: WSGIEnvironment, /) -> int | ErrorResponse: ...


class Server:
    """Binds its port on creation, so that a port in use is reported before anything is loaded."""

    def __init__(self, host: str, port: int) -> None:
        """Port 0 takes a free one. Raises UsageError if the address is not available."""
        self._host = without_brackets(host)
        self._socket = _bound(self._host, port)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def close(self) -> None:
        self._socket.close()

    def run(self, app: Application) -> None:
        """Serve until KeyboardInterrupt or SystemExit is raised in this thread."""
        adjustments = Adjustments(
            sockets=[self._socket],
            ident=None,
            # Waitress refuses headers of exactly this size.
            max_request_header_size=MAX_HEADER_BYTES + 1,
            clear_untrusted_proxy_headers=True,
            connection_limit=_connection_limit(),
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=MAINTENANCE_SECONDS,
            inbuf_overflow=BODY_MEMORY_BYTES,
            recv_bytes=READ_BYTES,
            # select() fails for descriptors above 1,023.
            asyncore_use_poll=True,
        )
        _HttpServer(app, self._socket, adjustments).run()


class _HttpServer(TcpWSGIServer):
    """Closes the connections of slow clients, and idle ones if there are many."""

    channel_class = Channel

    def __init__(self, app: Application, bound: socket.socket, adjustments: Any) -> None:
        self.admission = app.admit
        lanes: Any = Lanes()
        super().__init__(
            app,
            map={},
            _sock=bound,
            dispatcher=lanes,
            adj=adjustments,
            sockinfo=(bound.family, bound.type, bound.proto, bound.getsockname()),
            bind_socket=False,
        )

    def maintenance(self, now: Any) -> None:
        super().maintenance(now)
        monotonic = time.monotonic()
        channels: Any = self.active_channels
        open_ones = [each for each in channels.values() if not each.will_close]
        waiting = [each for each in open_ones if not each.requests]
        excess = len(open_ones) - int(FULL * self.adj.connection_limit)
        oldest = sorted(waiting, key=lambda each: each.last_activity)[: max(0, excess)]
        for channel in {*oldest, *(each for each in waiting if each.overdue(monotonic))}:
            channel.will_close = True


def _connection_limit() -> int:
    """Half of the files that this process may open, at most MAX_CONNECTIONS."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)


def _bound(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _listening(addresses[0])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use: choose another with --port") from error
        raise UsageError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def _listening(address_info: tuple[Any, ...]) -> socket.socket:
    """Listen at once: two sockets may share a port as long as neither listens."""
    family, kind, protocol, _, address = address_info
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
