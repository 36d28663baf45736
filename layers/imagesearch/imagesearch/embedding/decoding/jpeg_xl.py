"""JPEG XL (ISO/IEC 18181) plugin for Pillow that reads the size without decoding.

The plugin of `pillow_jxl` decodes the whole image when it opens a file. Its decoder is therefore
called only after the size has been checked, and imported on first use.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from PIL import ExifTags, Image, ImageFile

from imagesearch.embedding.decoding.jpeg import check_scans
from imagesearch.embedding.decoding.preprocessing import Size

# `pillow_jxl` registers itself as JXL when it is imported.
FORMAT = "JPEGXL"
_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_MAX_BOXES = 1_024
# Width divided by height for each of the header's ratios (18181-1, table of SizeHeader).
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEADER_BYTES = 16


class JpegXlFile(ImageFile.ImageFile):
    """A JPEG XL file; the decoder returns the last frame of an animation."""

    format = FORMAT
    format_description = "JPEG XL"

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101
        self._content: bytes | None = self.fp.read()
        size = declared_size(self._content)
        if size is None:
            raise SyntaxError("no JPEG XL header")
        self._size = size
        # The mode is known after decoding; no other mode takes more memory.
        self._mode = "RGBA"

    def load(self) -> Any:
        if self._content is not None:
            content, self._content = self._content, None
            decoded = _decoded(content)
            self.im = decoded.im
            self._mode, self._size, self.info = decoded.mode, decoded.size, decoded.info
        return super().load()


def declared_size(data: bytes) -> Size | None:
    """Width and height as stored, from the header; None if it is missing."""
    header = data[:_HEADER_BYTES] if data.startswith(_CODESTREAM) else _first_bytes(data)
    if not header.startswith(_CODESTREAM) or len(header) < _HEADER_BYTES // 2:
        return None
    bits = _Bits(header[len(_CODESTREAM) :])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def register() -> None:
    """Register the format with Pillow."""
    Image.register_open(FORMAT, JpegXlFile, _accept)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith((_CODESTREAM, _CONTAINER))


def _decoded(content: bytes) -> Image.Image:
    """The loaded image, oriented by the decoder, or the JPEG from which the file was compressed."""
    from pillow_jxl import Decoder

    # One thread each, because several processes decode in parallel.
    try:
        is_jpeg, header, pixels, profile, boxes = Decoder(num_threads=0)(content)
    except RuntimeError as error:  # its message has no further information
        raise OSError("libjxl cannot decode it") from error
    if is_jpeg:
        image: Image.Image = Image.open(io.BytesIO(pixels), formats=("JPEG",))
        check_scans(image, pixels)
        image.load()
        return image
    image = Image.frombytes(header.mode, (header.width, header.height), pixels)
    if profile:
        image.info["icc_profile"] = bytes(profile)
    if exif := _upright_exif((box.box_type, box.data) for box in boxes):
        image.info["exif"] = exif
    return image


def _upright_exif(boxes: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """EXIF without the orientation, which the decoder applies from the codestream."""
    block = next((data for name, data in boxes if bytes(name) == b"Exif"), None)
    if block is None:
        return None
    try:
        content = bytes(block)
        # The box begins with the offset of the TIFF header, which some files omit.
        if content[:4] not in (b"II*\0", b"MM\0*"):
            content = content[4 + int.from_bytes(content[:4], "big") :]
        tags = Image.Exif()
        tags.load(content)
        tags.pop(ExifTags.Base.Orientation, None)
        return tags.tobytes()
    except Exception:  # any exception of the parser; the pixels are valid
        return None


class _Bits:
    """A bit reader, least significant bit first; returns zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value


def _side(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (bits.take(5) + 1)
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


def _first_bytes(data: bytes) -> bytes:
    """The first bytes of the codestream in a container (18181-2), which may be split over boxes."""
    if not data.startswith(_CONTAINER):
        return b""
    found = b""
    for name, start, end in _boxes(data):
        if name == b"jxlc":
            return data[start : min(end, start + _HEADER_BYTES)]
        if name == b"jxlp":
            found += data[start + 4 : min(end, start + 4 + _HEADER_BYTES)]
            if len(found) >= _HEADER_BYTES:
                break
    return found[:_HEADER_BYTES]


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The names of the top-level boxes, with the start and end of their contents."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        length, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = at + length if length else len(data)
        yield data[at + 4 : at + 8], start, end
        if end < start:
            return
        at = end
