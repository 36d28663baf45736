"""A proxy for OpenSearch that injects faults."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.waiting import PATIENCE_SECONDS


class Sent(NamedTuple):
    method: str
    path: str
    body: bytes

    @property
    def is_bulk(self):
        return urlsplit(self.path).path.endswith("/_bulk")


@dataclass
class Proxy:
    """Forwards requests to the real server, or answers them by `fault`.

    `fault` gets each request and returns None to forward it, or (status, JSON) to answer it, or
    raises ConnectionAbortedError to close the connection, as for an unavailable server.
    """

    upstream: str
    fault: object = lambda sent: None
    seen: list = field(default_factory=list)
    url: str = ""

    def bulks(self):
        return [sent for sent in self.seen if sent.is_bulk]

    def answer(self, sent):
        self.seen.append(sent)
        return self.fault(sent) or self.pass_on(sent)

    def pass_on(self, sent):
        connection = HTTPConnection(urlsplit(self.upstream).netloc, timeout=PATIENCE_SECONDS)
        connection.request(
            sent.method, sent.path, sent.body, {"content-type": "application/x-ndjson"}
        )
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read() or "{}")
        connection.close()
        return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        length = int(self.headers.get("content-length", 0))
        sent = Sent(self.command, self.path, self.rfile.read(length))
        try:
            status, found = self.server.proxy.answer(sent)
        except (OSError, HTTPException):
            self.close_connection = True
            return
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def log_message(self, *_):
        pass


@contextmanager
def opensearch_proxy(upstream: str) -> Iterator[Proxy]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.proxy = Proxy(upstream, url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
