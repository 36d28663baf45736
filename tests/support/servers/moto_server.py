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

from tests.support.servers.wsgi_server import SilentHandler, wsgi_server


class Backends(DomainDispatcherApplication):
    """The backends of moto, which lists the directory of its modules for each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = cache(super().get_backend_for_host)  # type: ignore[method-assign]


class SilentMotoHandler(SilentHandler, MotoRequestHandler):
    """The handler of moto without a line per request."""


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a new server."""
    backends = Backends()
    one_at_a_time = threading.Lock()

    def application(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with one_at_a_time:
            return list(backends(environ, start_response))

    with wsgi_server(application, SilentMotoHandler) as url:
        yield url
