"""The path below which clients reach the API: the stage, or the prefix of a domain or a proxy.

API Gateway includes the base path of a custom domain in the event's `path`, but not the stage:
https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

# Of the current request; empty at the root of a host, otherwise without a slash at its end.
base_path: ContextVar[str] = ContextVar("base_path", default="")


def public_url(url: str) -> str:
    """A URL for the client; one that begins at the root of this server gets the base path."""
    return base_path.get() + url if url.startswith("/") else url


def split_base_path(event: Mapping[str, Any]) -> tuple[str, str]:
    """The base path of a proxy event, as its client sees it, and the path of the route."""
    path = str(event.get("path") or "/")
    mapped, route = _split(path, _route(event))
    whole = str((event.get("requestContext") or {}).get("path") or "")
    if whole.endswith(route) or (whole and route == "/"):
        return whole.removesuffix(route).rstrip("/"), route
    return mapped, route


def _route(event: Mapping[str, Any]) -> str:
    """The path according to API Gateway's resource, such as /v1/{proxy+}; decoded."""
    proxied = (event.get("pathParameters") or {}).get("proxy") or ""
    return unquote(str(event.get("resource") or "").replace("{proxy+}", proxied))


def _split(path: str, route: str) -> tuple[str, str]:
    """A path that ends with the route, as the part before it and the route; else the path alone."""
    if route == "/":
        return path.rstrip("/"), "/"
    starts = (place for place, letter in enumerate(path) if letter == "/")
    for place in starts:
        if unquote(path[place:]).rstrip("/") == route.rstrip("/"):
            return path[:place], path[place:]
    return "", path
