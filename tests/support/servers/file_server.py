"""A loopback server that serves files like a model hub, with injected failures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Headers = dict[str, str]


class FileServer:
    """Files by path; `requests` records the requests.

    `cuts` has byte counts after which the next responses end, `statuses` the statuses of the next
    responses, and `error_headers` the headers of errors. Bodies are sent while `responding` is set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.error_headers: Headers = {}
        self.responding = Event()
        self.responding.set()
        self.ranges = True
        self.etag: str | None = '"one"'
        self.requests: list[tuple[str, Headers]] = []
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["FileServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, headers))
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return self._head(request, status, {"content-length": "0"} | self.error_headers)
        if target := self.redirects.get(request.path):
            return self._head(request, 302, {"location": target, "content-length": "0"})
        if request.path not in self.files:
            return self._head(request, 404, {"content-length": "0"})
        data = self.files[request.path]
        offset = self._offset(headers)
        if offset >= len(data) > 0:
            return self._head(request, 416, {"content-length": "0"})
        answer = {"content-length": str(len(data) - offset)}
        if self.etag:
            answer["etag"] = self.etag
        if offset:
            answer["content-range"] = f"bytes {offset}-{len(data) - 1}/{len(data)}"
        self._head(request, 206 if offset else 200, answer)
        self.responding.wait()
        body = data[offset:]
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        return None

    def _offset(self, headers: Headers) -> int:
        requested = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        other = headers.get("if-range") not in (None, self.etag)
        return int(requested[1]) if requested and self.ranges and not other else 0

    @staticmethod
    def _head(request: BaseHTTPRequestHandler, status: int, headers: Headers) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
