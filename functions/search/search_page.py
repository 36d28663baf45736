"""The search page: its HTML, and the ES modules and the style sheet that it loads.

The files of `page/` are served as they are, without a build step. The URL of an asset contains a
digest of all assets, so browsers may cache it without revalidation, and the relative imports of a
module name the same version.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from .errors import UnknownRoute
from .pages import security_headers
from .routing import Operation

FOLDER = Path(__file__).parent / "page"
CONTENT_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# The version in the URLs of index.html, which is replaced by the digest.
UNVERSIONED = "assets/current/"
IMMUTABLE = "public, max-age=31536000, immutable"


class SearchPage:
    """The routes of the page. Their URLs are relative, so the page works below any base path."""

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/", self.page),
            Operation("GET", "/assets/<version>/<name>", self.asset),
        ]

    def page(self) -> Response[Any]:
        html = (FOLDER / "index.html").read_text(encoding="utf-8")
        html = html.replace(UNVERSIONED, f"assets/{assets_version()}/")
        headers = security_headers(html, ("'self'",), "'self'")
        return Response(200, "text/html; charset=utf-8", html, headers)

    def asset(self, version: str, name: str) -> Response[Any]:
        """The asset, in its current version also for an outdated URL. Raises UnknownRoute."""
        text = assets().get(name)
        if text is None:
            raise UnknownRoute
        is_current = version == assets_version()
        headers = {
            "Cache-Control": IMMUTABLE if is_current else "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(200, CONTENT_TYPES[Path(name).suffix], text, headers)


@cache
def assets() -> dict[str, str]:
    """The text of each asset by its file name."""
    paths = sorted(path for path in FOLDER.iterdir() if path.suffix in CONTENT_TYPES)
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


@cache
def assets_version() -> str:
    """The first 16 hexadecimal digits of a SHA-256 over the names and texts of all assets."""
    digest = hashlib.sha256()
    for name, text in assets().items():
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()[:16]
