"""The security headers of HTML pages, and the routes /openapi.json and /docs."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from .http.base_path import base_path
from .http.etags import weak_etag
from .responses import JSON_HEADERS
from .routing import Operation

DOCS_PAGE = Path(__file__).with_name("api_docs.html")


def docs_page() -> Response[Any]:
    return _html_response(_read(DOCS_PAGE))


class Docs:
    """The routes of the OpenAPI document and of the page to try the API, which reads it.

    The imports of the document are deferred to its first request: they would slow the start of
    every search.
    """

    def __init__(self, api: APIGatewayRestResolver, operations: Sequence[Operation]) -> None:
        self._api = api
        self._operations = tuple(each for each in operations if each.response)

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/openapi.json", self.document),
            Operation("GET", "/docs", docs_page),
        ]

    def document(self) -> Response[Any]:
        from .openapi.document import document

        text = document(self._api, self._operations, base_path.get())
        return Response(200, "application/json", text, {**JSON_HEADERS, **_cached(text)})


@cache
def security_headers(
    html: str, script_sources: tuple[str, ...] = (), style_source: str = "'unsafe-inline'"
) -> dict[str, str]:
    """Headers that allow the page's own inline scripts, and requests to its own origin.

    `script_sources` are the sources of its external scripts. Images may come from any HTTPS origin,
    because presigned URLs depend on the store.
    """
    policy = (
        "default-src 'none'",
        " ".join(["script-src", *script_sources, *_script_hashes(html)]),
        f"style-src {style_source}",
        "img-src 'self' https: data: blob:",
        # Uploads go directly to the bucket.
        "connect-src 'self' https://*.amazonaws.com",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Strict-Transport-Security": "max-age=31536000",
        **_cached(html),
    }


def _script_hashes(html: str) -> list[str]:
    """The hash sources of the inline scripts: https://www.w3.org/TR/CSP3/#match-element-to-source-list."""
    scripts = re.findall(r"<script(?:\s[^>]*)?>(.*?)</script>", html, re.DOTALL | re.IGNORECASE)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts if script]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _html_response(html: str) -> Response[Any]:
    return Response(200, "text/html; charset=utf-8", html, security_headers(html))


def _cached(body: str) -> dict[str, str]:
    """Headers with which a client stores the body, and asks if it has changed before each use."""
    return {"Cache-Control": "no-cache", "ETag": weak_etag(body), "Vary": "Accept-Encoding"}


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
