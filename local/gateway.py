"""What API Gateway does between HTTP and the search function, as a WSGI application."""

import logging
import threading
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from local.lambda_context import Handler, LambdaContext
from local.web.errors import BROKEN, NOT_TEXT, EdgeError
from local.web.gateway import HttpRequest, http_answer, proxy_event

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
    error: EdgeError, environ: WSGIEnvironment, start_response: StartResponse
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
