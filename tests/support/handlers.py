"""Calls of the handlers, their logs and responses, and the client steps of an upload."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.support.paths import EVENTS
from tests.support.waiting import PATIENCE_SECONDS

CONTEXT = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000)


@dataclass
class Logs:
    """The log of a function, one dictionary per line."""

    stream: io.StringIO

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["message"] == message]

    def __contains__(self, text: str) -> bool:
        return text in self.stream.getvalue()


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The error code, after a check of the common error schema."""
        error = self.json["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["message"]
        return error["code"]


def in_queue(*bodies: object) -> dict:
    """An SQS event with these bodies; the message id is the position."""
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": str(place),
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for place, body in enumerate(bodies)
        ]
    }


def http(
    method: str,
    path: str,
    body: str | bytes | dict[str, Any] | None = None,
    type: str | None = "application/json",
    **query: Any,
) -> dict[str, Any]:
    """A request as sent by API Gateway: bytes in base64, text unchanged."""
    template = json.loads((EVENTS / "api-health.json").read_text())
    values = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    headers = {"Content-Type": type} if body is not None and type else {}
    return template | {
        "httpMethod": method,
        "path": path,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: value[-1] for name, value in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "requestContext": template["requestContext"] | {"path": f"/Prod{path}"},
        "body": _body(body),
        "isBase64Encoded": isinstance(body, bytes),
    }


def _body(body: str | bytes | dict[str, Any] | None) -> str | None:
    if isinstance(body, bytes):
        return base64.b64encode(body).decode()
    return json.dumps(body) if isinstance(body, dict) else body


def parse_response(answer: dict[str, Any]) -> Response:
    json.dumps(answer)  # as the Lambda runtime does
    assert answer["isBase64Encoded"] is False
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    return Response(answer["statusCode"], headers, answer["body"])


Ask = Callable[[str, str, Any], Any]


def begin_upload(ask: Ask, name: str, **more: Any) -> dict[str, Any]:
    """Request an upload; `ask(method, path, body)` returns the JSON of the response."""
    return ask("POST", "/v1/images", {"name": name, "content_type": "image/webp", **more})


def send_form(started: dict[str, Any], data: bytes, base: str, **changed: str) -> int:
    """Send the form with some changed fields, and return the status of the response."""
    to = started["upload"]
    fields = to["fields"] | {name.replace("_", "-"): value for name, value in changed.items()}
    url = urljoin(base, to["url"])
    return httpx.post(url, data=fields, files={"file": data}, timeout=PATIENCE_SECONDS).status_code
