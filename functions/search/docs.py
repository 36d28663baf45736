"""The HTML pages, each in one file, and the headers that let it do no more than it has to."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

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
