"""OpenSearch behind a proxy that makes trouble on demand."""

import json
import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from imagesearch.adapters.opensearch_index import OpenSearchIndex
from imagesearch.domain import Status, VectorQuery


class Sent(NamedTuple):
    method: str
    path: str
    body: bytes


@dataclass
class Proxy:
    """Stands before the real server; `trouble` may answer in its place.

    It gets each request and returns None to pass it on, (status, JSON) to answer it, or raises
    ConnectionAbortedError to break the connection.
    """

    upstream: str
    trouble: object = lambda sent: None
    seen: list = field(default_factory=list)
    url: str = ""

    def bulks(self):
        return [sent for sent in self.seen if sent.path.startswith("/_bulk")]

    def answer(self, sent):
        self.seen.append(sent)
        return self.trouble(sent) or self.pass_on(sent)

    def pass_on(self, sent):
        connection = HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
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
        except ConnectionAbortedError:
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


@pytest.fixture
def proxy(opensearch_url):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.proxy = Proxy(opensearch_url, url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.proxy
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connect(index_name):
    """Opens the test's index through an address; closed when the test ends."""
    indexes = []

    def open_index(url, dimension=4, **more):
        index = OpenSearchIndex(url, index_name, dimension, model="test", **more)
        indexes.append(index)
        return index

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def readings(put, towards):
    """Every way to read an index, as functions of it."""
    return [
        lambda index: index.get([put().ref.id]),
        lambda index: index.embedding(put().ref.id),
        lambda index: index.search(VectorQuery(towards(0), 10)),
        lambda index: index.search_many([VectorQuery(towards(0), 10)] * 2),
        lambda index: index.count(),
        lambda index: list(index.scan()),
        lambda index: index.list_documents(
            status=Status.INDEXED, collection=None, after=None, limit=1
        ),
        lambda index: index.health(),
    ]
