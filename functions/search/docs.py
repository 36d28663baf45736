"""The HTML pages, each in one file, and the headers that let it do no more than it has to.

The routes that describe the others: the OpenAPI document and the page to try it.

The page to try the API: Swagger UI, as powertools carries it, in one file without a CDN.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.request import Request

from .responses import JSON_HEADERS
from .routing import Operation

PAGE = Path(__file__).parent / "page" / "index.html"


def html_response(html: str, headers: dict[str, str]) -> Response[Any]:
    return Response(200, "text/html; charset=utf-8", html, headers)


def search_page() -> Response[Any]:
    html = _read(PAGE)
    return html_response(html, headers_of(html))


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def headers_of(html: str) -> dict[str, str]:
    """Security headers: only this page's own scripts run, and they reach this origin alone.

    Images may come from anywhere over HTTPS: where presigned URLs lead is the store's affair.
    """
    policy = (
        "default-src 'none'",
        " ".join(["script-src", *_digests(html)]),
        "style-src 'unsafe-inline'",
        "img-src 'self' https: data: blob:",
        # Uploads go straight to the bucket.
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


def _digests(html: str) -> list[str]:
    """The hash sources of the inline scripts: https://www.w3.org/TR/CSP3/#match-element-to-source-list."""
    scripts = re.findall(r"<script(?:\s[^>]*)?>(.*?)</script>", html, re.DOTALL | re.IGNORECASE)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class Docs:
    """What it takes to describe is imported by who asks for it: searches start without."""

    def __init__(self, api: APIGatewayRestResolver, operations: Sequence[Operation]) -> None:
        self._api = api
        self._operations = tuple(each for each in operations if each.answers)

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/openapi.json", self.document),
            Operation("GET", "/docs", self.docs),
        ]

    def document(self, request: Request) -> Response[Any]:
        return Response(200, "application/json", self._document(request), JSON_HEADERS)

    def docs(self, request: Request) -> Response[Any]:

        return docs_page(self._document(request))

    def _document(self, request: Request) -> str:
        from .openapi import document

        return document(self._api, self._operations, _base_path(request.resolved_event))


def _base_path(event: Any) -> str:
    """What lies before the API's paths, as the caller sees them: the stage, behind API Gateway."""
    whole = str((event.get("requestContext") or {}).get("path") or "")
    return whole.removesuffix(event.path) if whole.endswith(event.path) else ""


HTML = """<!doctype html>
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


def docs_page(document: str) -> Response[Any]:
    """`document` is the OpenAPI document in JSON."""
    html = _html(document)
    return html_response(html, headers_of(html))


@cache
def _html(document: str) -> str:
    ui = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    return HTML.format(
        style=(ui / "swagger-ui.min.css").read_text("utf-8"),
        script=(ui / "swagger-ui-bundle.min.js").read_text("utf-8"),
        document=document.replace("</", "<\\/"),
    )
