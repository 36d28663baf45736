"""CloudFormation from the view of a custom resource: its events and the response URL."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.support.paths import EVENTS

MODEL_EVENTS = {"model-create", "model-again", "model-update", "model-delete"}
SIGNATURE = "X-Amz-Signature=5ec7e7"
Handler = Callable[[Any, Any], None]


def failed(answer: dict[str, Any], *messages: str) -> None:
    assert answer["Status"] == "FAILED"
    assert all(each in answer["Reason"] for each in messages), answer["Reason"]


class Context:
    """A Lambda context with this many seconds left."""

    aws_request_id = "request"

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * max(0.0, self._end - time.monotonic()))


class CloudFormation:
    """`answers` has the accepted responses, `refusals` the statuses for the next responses.

    `when_answered` is called after each accepted response.
    """

    def __init__(self, handler: Handler) -> None:
        self.answers: list[dict[str, Any]] = []
        self.types: list[str | None] = []
        self.refusals: list[int] = []
        self.when_answered: Callable[[], None] = lambda: None
        self._handler = handler
        self._url = ""

    def ask(self, name: str, *, seconds: float = 900, **changes: Any) -> dict[str, Any]:
        """Send the event of a file and return the response.

        `properties` replace resource properties, other arguments fields of the event.
        """
        event = json.loads((EVENTS / f"{name}.json").read_text())
        event["ResourceProperties"] |= changes.pop("properties", {})
        event |= {"ResponseURL": f"{self._url}/answer?{SIGNATURE}", **changes}
        before = len(self.answers)
        self._handler(event, Context(seconds))
        (answer,) = self.answers[before:]
        for repeated in ("StackId", "RequestId", "LogicalResourceId"):
            assert answer[repeated] == event[repeated]
        return answer

    @contextmanager
    def running(self) -> Iterator["CloudFormation"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._receiver())
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self._url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> int:
        body = request.rfile.read(int(request.headers["content-length"]))
        if self.refusals:
            return self.refusals.pop(0)
        assert len(body) <= 4096
        self.types.append(request.headers["content-type"])
        self.answers.append(json.loads(body))
        self.when_answered()
        return 200

    def _receiver(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Receiver(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.send_response(take(self))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Receiver
