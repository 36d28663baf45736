"""What a client does to upload an image: the same steps whatever takes it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.support.waiting import PATIENCE_SECONDS

Ask = Callable[[str, str, Any], Any]


def begin(ask: Ask, name: str, **more: Any) -> dict[str, Any]:
    """`ask(method, path, body)` answers the JSON of an API's answer."""
    return ask("POST", "/v1/images", {"name": name, "content_type": "image/webp", **more})


def send(begun: dict[str, Any], data: bytes, base: str, **changed: str) -> int:
    """Sends the form as it was given, but for what is changed; the answer's status."""
    to = begun["upload"]
    fields = to["fields"] | {name.replace("_", "-"): value for name, value in changed.items()}
    url = urljoin(base, to["url"])
    return httpx.post(url, data=fields, files={"file": data}, timeout=PATIENCE_SECONDS).status_code
