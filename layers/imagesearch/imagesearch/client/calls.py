"""The requests of the client's methods, without any transport: both clients send them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from imagesearch.domain.media_types import EXTENSIONS, EXTENSIONS_OF, SNIFF_BYTES, likely_type

# Image bytes, or the path of an image file.
Picture: TypeAlias = bytes | Path
Query: TypeAlias = str | Picture | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API; `path` is relative to `/v1/`."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None

    def after(self, cursor: str) -> Call:
        """The request of the page that begins at a cursor."""
        if self.body is not None:
            return replace(self, body={**self.body, "cursor": cursor})
        return replace(self, params={**(self.params or {}), "cursor": cursor})


def get(path: str, **options: Any) -> Call:
    """A GET request; options that are None are omitted."""
    given = {name: value for name, value in options.items() if value is not None}
    return Call("GET", path, params=given)


def segment(name: str) -> str:
    """An ID or the name of a label set as one segment of a path."""
    return quote(name, safe="")


def search(query: Query | None, image: Picture | str | None, options: Mapping[str, Any]) -> Call:
    """A search for a query, for an image, or for both. Raises ValueError."""
    parts = [_query(query)] if query is not None else []
    if image is not None:
        parts.append(
            {"image": encoded(Path(image).expanduser() if isinstance(image, str) else image)}
        )
    if not parts:
        raise ValueError("give a query: a text, a path, image bytes, or image=")
    if len(parts) == 2:
        if "terms" in parts[0]:
            parts = [*parts[0]["terms"], parts[1]]
        return Call("POST", "search", body={"query": {"terms": parts}, **options})
    return Call("POST", "search", body={"query": parts[0], **options})


def upload(file: Path, content_type: str | None, options: Mapping[str, Any]) -> Call:
    """The start of an upload. Raises ValueError for a file of an unknown type."""
    body = {"name": file.name, "content_type": content_type or type_of(file), **options}
    return Call("POST", "images", body=body)


def subject(picture: Picture | str) -> dict[str, Any]:
    """An image, or the id of an indexed one. Raises ValueError for the path of a file."""
    if isinstance(picture, str):
        _refuse_path(picture)
        return {"id": picture}
    return {"image": encoded(picture)}


def type_of(file: Path) -> str:
    """The media type of an image by its first bytes, else by its extension. Raises ValueError."""
    with file.open("rb") as data:
        found = likely_type(data.read(SNIFF_BYTES), file.name)
    extension = file.suffix.lower()
    by_name = (name for name, extensions in EXTENSIONS_OF.items() if extension in extensions)
    if media_type := found or next(by_name, None):
        return media_type
    raise ValueError(f"{file.name} is not a known type of image: give its content_type")


def encoded(picture: Picture) -> str:
    data = picture.read_bytes() if isinstance(picture, Path) else picture
    return base64.b64encode(data).decode()


def _query(query: Query) -> dict[str, Any]:
    if isinstance(query, str):
        _refuse_path(query)
        return {"text": query}
    return dict(query) if isinstance(query, Mapping) else {"image": encoded(query)}


def _refuse_path(text: str) -> None:
    """Raise ValueError for the path of an image file, which a text is not meant to be."""
    try:
        file = Path(text).expanduser()
        is_image = file.suffix.lower() in EXTENSIONS and file.is_file()
    except (OSError, ValueError, RuntimeError):
        return
    if is_image:
        raise ValueError(
            f"{text!r} is an image file: pass Path({text!r}) to send the image, or"
            ' {"text": ...} to search for these words'
        )
