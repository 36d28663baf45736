"""HTTP requests and answers as API Gateway's Lambda proxy integration writes them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

STAGE = "local"
# What template.yaml names as binary: anything else reaches the function as text.
BINARY_TYPE = "image/"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Header names are in lower case; `path` is decoded, without the query."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def proxy_event(request: HttpRequest) -> dict[str, Any]:
    """Raises UnicodeDecodeError for a body that is neither text nor of a binary type."""
    query = _grouped(request.query)
    body, is_base64 = _event_body(request)
    proxied = request.path != "/"
    return {
        "resource": "/{proxy+}" if proxied else "/",
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": request.path[1:]} if proxied else None,
        "stageVariables": None,
        "requestContext": _context(request),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def http_answer(answer: Mapping[str, Any]) -> HttpAnswer:
    """What a proxy answer says; a header in `multiValueHeaders` goes before one in `headers`."""
    several = answer.get("multiValueHeaders") or {}
    given = {name.lower() for name in several} | {"content-length"}
    headers = [(name, str(value)) for name, values in several.items() for value in values]
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() not in given:
            headers.append((name, str(value)))
    text = answer.get("body") or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return HttpAnswer(int(answer["statusCode"]), headers, body)


def _event_body(request: HttpRequest) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if request.headers.get("content-type", "").lower().startswith(BINARY_TYPE):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode(), False


def _context(request: HttpRequest) -> dict[str, Any]:
    return {
        "requestId": str(uuid.uuid4()),
        "stage": STAGE,
        "path": request.path,
        "httpMethod": request.method,
        "resourcePath": "/{proxy+}",
        "protocol": "HTTP/1.1",
        "requestTimeEpoch": int(time.time() * 1000),
        "domainName": request.headers.get("host", ""),
        "identity": {
            "apiKeyId": request.key_id,
            "sourceIp": request.client,
            "userAgent": request.headers.get("user-agent", ""),
        },
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
