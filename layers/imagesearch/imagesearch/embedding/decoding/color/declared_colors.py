"""Declared colors of a file as an ICC profile: embedded, or created from other declarations."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from imagesearch.embedding.decoding.color.icc_profiles import (
    SRGB,
    Primaries,
    coded_profile,
    gamma_profile,
)
from imagesearch.embedding.decoding.iso_media import primary_colors

# Press profiles with large tables have up to 4 MB.
MAX_PROFILE_BYTES = 8 * 2**20
# Chunks that are read before the pixels of a PNG.
_MAX_CHUNKS = 1_000
# 1 / 2.2 with rounding, which declares the sRGB curve in a PNG (third edition, 11.3.2.5).
_SRGB_GAMMA = range(45_000, 45_956)
_SRGB_TOLERANCE = 0.002


def declared_profile(image: Image.Image, data: bytes) -> bytes | None:
    """The profile of an opened image; None for sRGB and undeclared colors.

    The ColorSpace of EXIF and profiles of GIF files are ignored, as in browsers.
    """
    if image.format == "PNG":
        profile = _of_png(image, data)
    elif image.format == "BMP":
        profile = _of_bmp(data)
    else:
        profile = image.info.get("icc_profile")
        if not profile and image.format in ("AVIF", "HEIF"):
            profile = _of_iso_media(data)
    return profile if profile and len(profile) <= MAX_PROFILE_BYTES else None


def _of_png(image: Image.Image, data: bytes) -> bytes | None:
    """cICP before iCCP before sRGB before gAMA and cHRM (PNG, third edition, 4.3, table 1)."""
    chunks: dict[bytes, bytes] = {}
    for name, body in _chunks(data):
        # libpng ignores repeated chunks.
        chunks.setdefault(name, body)
    coded = chunks.get(b"cICP", b"")
    # A PNG can only have the RGB matrix and the full range.
    if len(coded) >= 4 and coded[2:4] == b"\0\1" and (known := coded_profile(coded[0], coded[1])):
        return known
    if embedded := image.info.get("icc_profile"):
        return bytes(embedded)
    if b"sRGB" in chunks:
        return None
    return _of_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))


def _of_gamma(gama: bytes, chrm: bytes) -> bytes | None:
    gamma = struct.unpack(">I", gama)[0] if len(gama) == 4 else 0
    # libpng rejects other values, too.
    stated = 1_000 <= gamma <= 10_000_000
    primaries = _primaries(chrm)
    is_srgb = all(
        abs(one - other) <= _SRGB_TOLERANCE for one, other in zip(primaries, SRGB, strict=True)
    )
    if is_srgb and (not stated or gamma in _SRGB_GAMMA):
        return None
    exponent = 100_000 / gamma if stated and gamma not in _SRGB_GAMMA else None
    return gamma_profile(primaries, exponent)


def _primaries(chrm: bytes) -> Primaries:
    if len(chrm) != 32:
        return SRGB
    white_x, white_y, *others = (value / 100_000 for value in struct.unpack(">8I", chrm))
    return white_x, white_y, *others


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks before its pixels."""
    start = 8
    for _ in range(_MAX_CHUNKS):
        if start + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, start)
        if name == b"IDAT":
            return
        yield name, data[start + 8 : start + 8 + min(length, 32)]
        start += 12 + length


def _of_bmp(data: bytes) -> bytes | None:
    """PROFILE_EMBEDDED of a BITMAPV5HEADER, which follows the file header of 14 bytes."""
    if len(data) < 138 or data[14:18] != b"\x7c\0\0\0" or data[70:74] != b"DEBM":
        return None
    start, length = struct.unpack_from("<II", data, 126)
    return data[14 + start : 14 + start + length]


def _of_iso_media(data: bytes) -> bytes | None:
    colors = primary_colors(data)
    return coded_profile(*colors) if colors else None
