"""A decoded picture as a frame of the protocol between a decoder's parent and child, and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from imagesearch.details import Details
from imagesearch.embedding.frames import Frame
from imagesearch.embedding.picture import Picture


def written(picture: Picture) -> Frame:
    """The body is the tensor, and behind it the thumbnail."""
    details = picture.details
    head = {
        "picture": [picture.width, picture.height, picture.content_type],
        "taken_at": picture.taken_at.isoformat() if picture.taken_at else None,
        "truncated": picture.truncated,
        "shape": picture.pixels.shape,
        "details": asdict(details) | {"thumbnail": details.thumbnail is not None}
        if details
        else None,
    }
    thumbnail = (details and details.thumbnail) or b""
    return Frame(head, picture.pixels.tobytes() + thumbnail)


def read(frame: Frame) -> Picture:
    head, body = frame
    shape = head["shape"]
    count = int(np.prod(shape))
    pixels = np.frombuffer(body, np.float32, count).reshape(shape)
    width, height, content_type = head["picture"]
    taken_at = datetime.fromisoformat(head["taken_at"]) if head["taken_at"] else None
    details = _details(head["details"], body[pixels.nbytes :])
    return Picture(pixels, width, height, content_type, taken_at, details, head["truncated"])


def _details(told: dict[str, Any] | None, thumbnail: bytes) -> Details | None:
    if not told:
        return None
    return Details(**{**told, "thumbnail": thumbnail if told["thumbnail"] else None})
