"""A moto server that handles one request at a time.

moto's backends are not safe for threads: two deletions at once from an SQS queue restore a message.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server


class Backends(DomainDispatcherApplication):
    """The backends of moto, which lists the directory of its modules for each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = cache(super().get_backend_for_host)  # type: ignore[method-assign]


class SilentHandler(MotoRequestHandler):
    """Writes no line per request, which takes as long as the response of a backend."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a new server."""
    backends = Backends()
    one_at_a_time = threading.Lock()

    def application(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with one_at_a_time:
            return list(backends(environ, start_response))

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=SilentHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
