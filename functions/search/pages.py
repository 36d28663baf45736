"""The security headers of HTML pages, and the routes /openapi.json and /docs."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.request import Request

from .responses import JSON_HEADERS
from .routing import Operation

# Swagger UI of powertools, inlined: the page needs no CDN.
DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>imagesearch API</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>
SwaggerUIBundle({{dom_id: "#swagger-ui", spec: {document}, deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""


class Docs:
    """The routes of the OpenAPI document and of the page to try the API.

    Their imports are deferred to the first request: they would slow the start of every search.
    """

    def __init__(self, api: APIGatewayRestResolver, operations: Sequence[Operation]) -> None:
        self._api = api
        self._operations = tuple(each for each in operations if each.response)

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/openapi.json", self.document),
            Operation("GET", "/docs", self.docs),
        ]

    def document(self, request: Request) -> Response[Any]:
        return Response(200, "application/json", self._document(request), JSON_HEADERS)

    def docs(self, request: Request) -> Response[Any]:
        return _html_response(_docs_html(self._document(request)))

    def _document(self, request: Request) -> str:
        from .openapi import document

        return document(self._api, self._operations, _base_path(request.resolved_event))


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
        "Cache-Control": "no-cache",
    }


def _script_hashes(html: str) -> list[str]:
    """The hash sources of the inline scripts: https://www.w3.org/TR/CSP3/#match-element-to-source-list."""
    scripts = re.findall(r"<script(?:\s[^>]*)?>(.*?)</script>", html, re.DOTALL | re.IGNORECASE)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts if script]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _html_response(html: str) -> Response[Any]:
    return Response(200, "text/html; charset=utf-8", html, security_headers(html))


@cache
def _docs_html(document: str) -> str:
    ui = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    return DOCS_PAGE.format(
        style=(ui / "swagger-ui.min.css").read_text("utf-8"),
        script=(ui / "swagger-ui-bundle.min.js").read_text("utf-8"),
        document=document.replace("</", "<\\/"),
    )


def _base_path(event: Any) -> str:
    """The path prefix of the API as the caller sees it: the stage, on API Gateway."""
    path = str((event.get("requestContext") or {}).get("path") or "")
    return path.removesuffix(event.path) if path.endswith(event.path) else ""
