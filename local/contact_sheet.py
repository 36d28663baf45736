"""Hits in the browser: the page of the running server, or a contact sheet, which is one file."""

from __future__ import annotations

import html
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from imagesearch.domain.counts import counted
from local.searches import Found, SearchOptions
from local.workspace import Workspace

FILE = "contact-sheet.html"
_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem;
  list-style: none; margin: 0; padding: 0 }
img { width: 100%; height: 15rem; object-fit: contain; background: #8882 }
a { color: inherit; overflow-wrap: anywhere }
"""
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>{style}</style>
<h1>{title}</h1>
<ul>
{items}
</ul>
</html>
"""


def open_in_browser(found: Found, options: SearchOptions, workspace: Workspace | None) -> None:
    """Open the hits in the browser: on the page of the server of `workspace` if it can show them.

    Raises UsageError.
    """
    webbrowser.open(page_url(options, workspace) or _sheet(found, workspace).as_uri())


def page_url(options: SearchOptions, workspace: Workspace | None) -> str | None:
    """The URL of this search on the page of the running server; None if the page lacks it."""
    from local.running_server import running_server

    first = options.parts[0]
    limited = options.filter or options.min_relevance is not None or options.weak
    plain = len(options.parts) == 1 and not limited
    if not workspace or not plain or first.image or first.weight != 1:
        return None
    if not (server := running_server(workspace.directory)):
        return None
    fields = {"q": first.text, "similar": first.id, "collection": options.collection}
    return f"{server}/?{urlencode({name: value for name, value in fields.items() if value})}"


def contact_sheet(title: str, hits: Sequence[dict[str, Any]]) -> str:
    """An HTML page with the thumbnails, which link to the images."""
    items = "\n".join(map(_item, hits))
    return _PAGE.format(title=html.escape(title), style=_STYLE, items=items)


def _item(hit: dict[str, Any]) -> str:
    path, thumbnail = hit.get("path"), hit.get("thumbnail_path")
    image = Path(path).as_uri() if path else hit["url"]
    shown = Path(thumbnail).as_uri() if thumbnail else image
    relevance = "" if hit["relevance"] is None else f"{hit['relevance']:.0%} "
    key = html.escape(hit["key"])
    return (
        f'<li><a href="{html.escape(image)}"><img src="{html.escape(shown)}" alt="" loading="lazy">'
        f"<br>{relevance}{key}</a>"
    )


def _sheet(found: Found, workspace: Workspace | None) -> Path:
    title = f"{counted(len(found.hits), 'hit')} in {found.place}"
    folder = workspace.directory if workspace else Path(tempfile.mkdtemp(prefix="imagesearch-"))
    file = folder / FILE
    file.write_text(contact_sheet(title, found.hits), "utf-8")
    return file
