"""Protocol between parent and decoder process: messages of JSON and binary data.

Each message starts with the lengths of both parts.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any, NamedTuple

import numpy as np

from imagesearch.domain.images import Details
from imagesearch.embedding.decoding.preprocessing import Picture

_LENGTHS = struct.Struct("<IQ")
# The details that are files.
_FILES = ("thumbnail", "large_thumbnail")


class WorkerMessage(NamedTuple):
    """A JSON object and binary data."""

    head: dict[str, Any]
    body: bytes


def send(stream: IO[bytes], head: Mapping[str, Any], body: bytes | memoryview = b"") -> None:
    """Send a message; raises OSError if the other end is closed."""
    encoded = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> WorkerMessage:
    """The next message; raises EOFError if the other end was closed, even within a message."""
    head, body = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    return WorkerMessage(json.loads(_exactly(stream, head)), _exactly(stream, body))


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def preview_message(webp: bytes) -> WorkerMessage:
    """The message for a preview, whose body is the file."""
    return WorkerMessage({"preview": len(webp)}, webp)


def picture_message(picture: Picture) -> WorkerMessage:
    """The message for a decoded image; the body is the tensor followed by the thumbnails."""
    details = picture.details
    head = {
        "picture": [picture.width, picture.height, picture.content_type],
        "taken_at": picture.taken_at.isoformat() if picture.taken_at else None,
        "taken_offset": picture.taken_offset,
        "truncated": picture.truncated,
        "shape": picture.pixels.shape,
        "details": asdict(details) | {name: _length(getattr(details, name)) for name in _FILES}
        if details
        else None,
    }
    files = [getattr(details, name) or b"" for name in _FILES] if details else []
    return WorkerMessage(head, b"".join((picture.pixels.tobytes(), *files)))


def read_picture(message: WorkerMessage) -> Picture:
    """The decoded image of a message; raises KeyError, TypeError or ValueError if malformed."""
    head, body = message
    shape = head["shape"]
    count = int(np.prod(shape))
    pixels = np.frombuffer(body, np.float32, count).reshape(shape)
    width, height, content_type = head["picture"]
    taken_at = datetime.fromisoformat(head["taken_at"]) if head["taken_at"] else None
    details = _details(head["details"], body[pixels.nbytes :])
    truncated, offset = head["truncated"], head["taken_offset"]
    return Picture(pixels, width, height, content_type, taken_at, details, truncated, offset)


def _length(file: bytes | None) -> int | None:
    return None if file is None else len(file)


def _details(fields: dict[str, Any] | None, files: bytes) -> Details | None:
    """The details; `files` are those of `_FILES` that are not None, one after the other."""
    if not fields:
        return None
    content: dict[str, bytes | None] = {}
    for name in _FILES:
        length = fields[name]
        content[name] = None if length is None else files[:length]
        files = files[length or 0 :]
    return Details(**{**fields, **content})
