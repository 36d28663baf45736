"""HTTP server (waitress) with the limits of API Gateway and S3, and errors in the API's shape."""

import errno
import socket
from copy import copy
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ErrorTask

from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL
from imagesearch.domain.ports import UPLOAD_BYTES
from local.errors import UsageError
from local.web.errors import ErrorResponse

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_BODY_BYTES = 10 * 2**20
# The request line and all headers; API Gateway takes 10,240 bytes.
MAX_HEADER_BYTES = 256 * 2**10
# The image and the form around it.
MAX_UPLOAD_BYTES = UPLOAD_BYTES + 2**16
THREADS = 8


_TOO_LARGE = ErrorResponse(
    "413 Request Entity Too Large",
    "image_too_large",
    "The request is larger than the API takes.",
    "Send at most 4.5 MB of image bytes, or upload the image, up to 64 MB, and search by its id.",
)
_HEADERS_TOO_LARGE = ErrorResponse(
    "431 Request Header Fields Too Large",
    "bad_request",
    f"the request line and the headers have more than {MAX_HEADER_BYTES:,} bytes",
    "send shorter headers, and long queries with POST",
)
_BAD_REQUEST = ErrorResponse(
    "400 Bad Request", "bad_request", "the request is not valid HTTP", "check the client"
)
_ERRORS = {413: _TOO_LARGE, 431: _HEADERS_TOO_LARGE}


class Server:
    """Binds its port on creation, so that a port in use is reported before anything is loaded."""

    def __init__(self, host: str, port: int) -> None:
        """Port 0 takes a free one. Raises UsageError if the address is not available."""
        self._host = host
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def close(self) -> None:
        self._socket.close()

    def run(self, app: WSGIApplication) -> None:
        """Serve until KeyboardInterrupt or SystemExit is raised in this thread."""
        server: Any = create_server(
            app,
            sockets=[self._socket],
            threads=THREADS,
            ident=None,
            max_request_header_size=MAX_HEADER_BYTES,
            # Waitress rejects a body of exactly this size, which the API accepts.
            max_request_body_size=MAX_BODY_BYTES + 1,
            clear_untrusted_proxy_headers=True,
        )
        server.channel_class = _Channel
        server.run()


class _JsonErrorTask(ErrorTask):
    """Errors that waitress raises itself, such as for a body that is too large."""

    def execute(self) -> None:
        error: Any = vars(self.request)["error"]
        body = _ERRORS.get(error.code, _BAD_REQUEST).body()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Parser(HTTPRequestParser):
    """Raises the body limit for uploads to that of a bucket."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if getattr(self, "path", "") == UPLOAD_URL:
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = MAX_UPLOAD_BYTES + 1


class _Channel(HTTPChannel):
    error_task_class: Any = _JsonErrorTask
    parser_class: Any = _Parser


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
