"""File format detection: the media type of an image, or the error for an unsupported file."""

from __future__ import annotations

import struct

from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.media_types import sniff
from imagesearch.embedding.decoding.preprocessing import Size

_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
_OTHERS = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x1f\x8b": "gzip data",
    b"8BPS": "a Photoshop document",
    b"<?xml": "XML, perhaps SVG",
    b"<svg": "SVG",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}
_SCANNED_BYTES = 4_096


def content_type(image: Image.Image, data: bytes) -> str:
    """The media type of an opened image."""
    return _TYPES.get(image.format or "") or sniff(data) or "image/heif"


def declared_size(data: bytes) -> Size | None:
    """The size in the first `ispe` property of an AVIF or HEIF file (ISO/IEC 23008-12, 6.5.3)."""
    start = data.find(b"ispe", 0, _SCANNED_BYTES)
    if data[4:8] != b"ftyp" or start < 0 or len(data) < start + 16:
        return None
    width, height = struct.unpack_from(">II", data, start + 8)
    return width, height


def unsupported_format(data: bytes) -> UnreadableImage:
    """The error for a file that no decoder accepts."""
    hint = "send a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, JPEG XL or camera RAW image"
    if not data:
        return UnreadableImage("the file is empty", hint, code="empty_file")
    claimed = sniff(data)
    if claimed:
        return UnreadableImage(
            f"the file begins like {claimed}, but its header is damaged or truncated",
            "check that it opens in an image viewer, and save it again",
            code="damaged_image",
        )
    return UnreadableImage(f"not an image: the content is {_content(data)}", hint, "not_an_image")


def _content(data: bytes) -> str:
    head = data[:_SCANNED_BYTES]
    for magic, name in _OTHERS.items():
        if head.lstrip().lower().startswith(magic.lower()):
            return name
    if head[4:8] == b"ftyp":
        return "a video or another kind of ISO media file"
    if not any(head):
        return "zeros"
    return "text" if _is_text(head) else "in an unknown format"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be truncated.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character.isspace() for character in text)
