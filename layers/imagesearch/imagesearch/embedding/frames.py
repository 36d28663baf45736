"""The protocol between a decoder's parent and child: JSON and raw bytes, each with its length."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

_LENGTHS = struct.Struct("<IQ")


class Frame(NamedTuple):
    head: dict[str, Any]
    body: bytes


def send(stream: IO[bytes], head: Mapping[str, Any], body: bytes | memoryview = b"") -> None:
    """Raises OSError where nobody reads any more."""
    encoded = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """The next frame; raises EOFError where the other end closed, even within a frame."""
    head, body = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    return Frame(json.loads(_exactly(stream, head)), _exactly(stream, body))


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
