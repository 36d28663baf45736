"""HTTP requests and answers as API Gateway's Lambda proxy integration writes them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

What API Gateway does between HTTP and the search function, as a WSGI application.
"""

import base64
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from local.lambda_runtime import Handler, LambdaContext
from local.web.errors import BROKEN, NOT_TEXT, ErrorResponse

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


MAX_QUERY_FIELDS = 100
# Where the guard leaves the id of the key that came with a request.
KEY_ID = "imagesearch.key_id"
log = logging.getLogger(__name__)


class Gateway:
    """Calls a proxy handler for each request; several threads may call it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        # Lambda gives an environment one event at a time, and the router inside relies on it.
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            event = proxy_event(http_request(environ))
        except ValueError:
            return send_error(NOT_TEXT, environ, start_response)
        try:
            with self._one_at_a_time:
                answer = http_answer(self._handler(event, LambdaContext("search")))
        except Exception:
            log.exception("the search function failed on %s %s", event["httpMethod"], event["path"])
            return send_error(BROKEN, environ, start_response)
        length = ("Content-Length", str(len(answer.body)))
        if environ["REQUEST_METHOD"] == "HEAD":
            start_response(_status_line(answer.status), answer.headers)
            return []
        start_response(_status_line(answer.status), [*answer.headers, length])
        return [answer.body]


def http_request(environ: WSGIEnvironment) -> HttpRequest:
    """Raises ValueError for a query of very many fields."""
    query = environ.get("QUERY_STRING", "")
    return HttpRequest(
        method=environ["REQUEST_METHOD"],
        path=request_path(environ),
        query=parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS),
        headers=_headers(environ),
        body=environ["wsgi.input"].read(),
        client=environ.get("REMOTE_ADDR", ""),
        key_id=environ.get(KEY_ID),
    )


def request_path(environ: WSGIEnvironment) -> str:
    """The path as the client meant it: WSGI hands UTF-8 out as Latin-1."""
    return str(environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8", "replace")


def send_error(
    error: ErrorResponse, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    body = error.body()
    start_response(
        error.status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    names = {name: name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    names |= {name: name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {name.replace("_", "-").lower(): str(environ[key]) for key, name in names.items()}


def _status_line(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Unknown"
