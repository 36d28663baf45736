"""API Gateway's Lambda proxy integration as a WSGI application over the search function.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
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
from local.web.compression import accepts_gzip, compressed, is_compressible
from local.web.errors import (
    FUNCTION_FAILED,
    MAX_QUERY_FIELDS,
    NOT_TEXT,
    TOO_MANY_FIELDS,
    ErrorResponse,
)

STAGE = "local"
# With CORS_ORIGIN, the header Access-Control-Allow-Origin depends on the origin of the request.
VARY = "Accept-Encoding, Origin"
# The binary media types of template.yaml; every other body reaches the function as text.
BINARY_TYPES = ("image/", "application/octet-stream", "multipart/form-data")
# The WSGI variable in which Auth stores the id of the request's API key.
KEY_ID = "imagesearch.key_id"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request; header names are in lower case, and `path` is decoded, without the query.

    `root_path` is the prefix of `path` that a reverse proxy has added.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"
    root_path: str = ""
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response; a header may occur several times."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def proxy_event(request: HttpRequest) -> dict[str, Any]:
    """The event of a request. Raises UnicodeDecodeError for a text body that is not UTF-8."""
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


def http_response(result: Mapping[str, Any]) -> HttpResponse:
    """The response of a handler's result; `multiValueHeaders` take precedence over `headers`."""
    several = result.get("multiValueHeaders") or {}
    taken = {name.lower() for name in several} | {"content-length"}
    headers = [(name, str(value)) for name, values in several.items() for value in values]
    for name, value in (result.get("headers") or {}).items():
        if name.lower() not in taken:
            headers.append((name, str(value)))
    text = result.get("body") or ""
    body = base64.b64decode(text) if result.get("isBase64Encoded") else text.encode()
    return HttpResponse(int(result["statusCode"]), headers, body)


def _event_body(request: HttpRequest) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if request.headers.get("content-type", "").lower().startswith(BINARY_TYPES):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode(), False


def _context(request: HttpRequest) -> dict[str, Any]:
    return {
        "requestId": str(uuid.uuid4()),
        "stage": STAGE,
        "path": request.root_path + request.path,
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


@dataclass(eq=False, slots=True)
class _Function:
    """A handler and the number of its requests in progress."""

    handler: Handler
    requests: int = 0


class Gateway:
    """Calls a proxy handler for each request, in the thread of the request."""

    def __init__(self, handler: Handler) -> None:
        self._function = _Function(handler)
        self._request_ended = threading.Condition()

    def replace(self, handler: Handler) -> None:
        """Use another handler from the next request on; afterwards nothing runs in the old one."""
        with self._request_ended:
            old, self._function = self._function, _Function(handler)
            self._request_ended.wait_for(lambda: not old.requests)

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until no request is in progress, at most this long."""
        with self._request_ended:
            self._request_ended.wait_for(lambda: not self._function.requests, seconds)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._request_ended:
            function = self._function
            function.requests += 1
        try:
            return _response(function.handler, environ, start_response)
        finally:
            with self._request_ended:
                function.requests -= 1
                if not function.requests:
                    self._request_ended.notify_all()


def _response(
    handler: Handler, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    try:
        event = proxy_event(http_request(environ))
    except UnicodeDecodeError:
        return send_error(NOT_TEXT, environ, start_response)
    except ValueError:
        return send_error(TOO_MANY_FIELDS, environ, start_response)
    is_head = event["httpMethod"] == "HEAD"
    if is_head:
        # Its response has the length of that of GET, whose body the function leaves out.
        event["httpMethod"] = "GET"
    try:
        context = LambdaContext("search", aws_request_id=event["requestContext"]["requestId"])
        response = http_response(handler(event, context))
    except Exception:
        log.exception("the search function failed on %s %s", event["httpMethod"], event["path"])
        return send_error(FUNCTION_FAILED, environ, start_response)
    response = _encoded(response, environ.get("HTTP_ACCEPT_ENCODING", ""))
    if response.status == HTTPStatus.NOT_MODIFIED:
        start_response(_status_line(response.status), response.headers)
        return []
    # Without a length, waitress would end the response with a chunk, also that of HEAD.
    length = ("Content-Length", str(len(response.body)))
    start_response(_status_line(response.status), [*response.headers, length])
    return [] if is_head else [response.body]


def _encoded(response: HttpResponse, accept_encoding: str) -> HttpResponse:
    """The response, compressed if that shortens it and the client accepts it."""
    content_type = next((value for name, value in response.headers if name == "Content-Type"), "")
    if not is_compressible(content_type, len(response.body)):
        return response
    varying = [*(each for each in response.headers if each[0] != "Vary"), ("Vary", VARY)]
    if not accepts_gzip(accept_encoding):
        return HttpResponse(response.status, varying, response.body)
    headers = [*varying, ("Content-Encoding", "gzip")]
    return HttpResponse(response.status, headers, compressed(response.body))


def http_request(environ: WSGIEnvironment) -> HttpRequest:
    """The request of a WSGI environment. Raises ValueError for too many query fields."""
    query = environ.get("QUERY_STRING", "")
    return HttpRequest(
        method=environ["REQUEST_METHOD"],
        path=request_path(environ),
        query=parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS),
        headers=_headers(environ),
        body=environ["wsgi.input"].read(),
        client=environ.get("REMOTE_ADDR", ""),
        root_path=environ.get("SCRIPT_NAME", ""),
        key_id=environ.get(KEY_ID),
    )


def request_path(environ: WSGIEnvironment) -> str:
    """The decoded path; WSGI passes UTF-8 as Latin-1."""
    return str(environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8", "replace")


def send_error(
    error: ErrorResponse,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    headers: Iterable[tuple[str, str]] = (),
) -> Iterable[bytes]:
    """Send an error response; without a body for HEAD."""
    body = error.body()
    content = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(error.status, [*content, *error.headers, *headers])
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
