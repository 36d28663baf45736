"""A server on loopback that hands out files as a model hub does, and fails as one may."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Headers = dict[str, str]


class FileServer:
    """`files` by path; `cuts` holds after how many bytes the next answers break off, `statuses`
    with what the next are refused; bodies come while it `speaks`; `requests` is what was
    asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.speaks = Event()
        self.speaks.set()
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
            return self._head(request, status, {"content-length": "0"})
        if target := self.redirects.get(request.path):
            return self._head(request, 302, {"location": target, "content-length": "0"})
        if request.path not in self.files:
            return self._head(request, 404, {"content-length": "0"})
        data = self.files[request.path]
        begin = self._begin(headers)
        if begin >= len(data) > 0:
            return self._head(request, 416, {"content-length": "0"})
        answer = {"content-length": str(len(data) - begin)}
        if self.etag:
            answer["etag"] = self.etag
        if begin:
            answer["content-range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        self._head(request, 206 if begin else 200, answer)
        self.speaks.wait()
        body = data[begin:]
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        return None

    def _begin(self, headers: Headers) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        other = headers.get("if-range") not in (None, self.etag)
        return int(asked[1]) if asked and self.ranges and not other else 0

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
