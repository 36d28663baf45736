"""A request that is small to send and costly to answer.

It is the bytes of one HTTP/1.1 request of at most MAX_BYTES, with a name that states its kind.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 100_000
JSON = "application/json"


@dataclass(frozen=True)
class CostlyRequest:
    """The bytes of a request, and the name of its kind."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"{self.name}, {len(self.data):,} bytes: {self.data[:200]!r}"


@dataclass(frozen=True)
class Targets:
    """IDs of indexed images, names of their metadata, and keys, that requests refer to."""

    ids: Sequence[str]
    names: Sequence[str]
    keys: Sequence[str]


def dumped(value: Any) -> bytes:
    """JSON in UTF-8, with `?` for each surrogate."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def json_request(name: str, method: str, path: str, value: Any) -> CostlyRequest:
    return request(name, method, path, {"Content-Type": JSON}, dumped(value))


def request(
    name: str, method: str, path: str, lines: dict[str, str] | None = None, body: bytes = b""
) -> CostlyRequest:
    """The request with these headers; what exceeds MAX_BYTES is cut off."""
    sent = {"Host": "localhost", "Connection": "close"} | (lines or {})
    if body and not {"Transfer-Encoding", "Content-Length"} & sent.keys():
        sent["Content-Length"] = str(min(len(body), MAX_BYTES - 2_000))
    head = "".join(f"{header}: {value}\r\n" for header, value in sent.items())
    data = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
    return CostlyRequest(name, data[:MAX_BYTES])
