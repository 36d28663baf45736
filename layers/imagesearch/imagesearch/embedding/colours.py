"""From every mode that Pillow decodes to RGB over white."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagesearch.embedding.decoding.color.srgb import Convert, Curve, conversion, gray_curve

_GRAYS = ("1", "L", "LA", "La")
_BYTE, _WORD = 255, 65_535


def to_rgb(image: Image.Image) -> Convert:
    """How parts of this loaded picture become RGB; parts of one picture are all treated alike.

    Of a profile that is left in `info` (srgb.py) the colors are converted, too.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _levels(image)
        curve = gray_curve(profile)
        return lambda part: _scaled(part, low, high, curve)
    plain = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in _GRAYS:
        return _from_gray(gray_curve(profile), plain)
    mode = "CMYK" if image.mode == "CMYK" else plain
    # Pillow converts Lab itself, and a Lab profile has nothing to add.
    convert = None if image.mode == "LAB" else conversion(profile, mode)

    def rgb(part: Image.Image) -> Image.Image:
        given = part.convert(mode) if convert and part.mode != mode else part
        return _over_white(convert(given) if convert else given)

    return rgb


def _from_gray(curve: Curve | None, plain: str) -> Convert:
    """Alpha stays as it is."""
    table = [*curve * 3, *range(256)][: 256 * len(plain)] if curve else None

    def rgb(part: Image.Image) -> Image.Image:
        # Pillow takes premultiplied gray to RGBA by way of LA alone.
        straight = part.convert("LA") if part.mode == "La" else part
        return _over_white(straight.convert(plain).point(table) if table else straight)

    return rgb


def _over_white(part: Image.Image) -> Image.Image:
    if not part.has_transparency_data:
        return part if part.mode == "RGB" else part.convert("RGB")
    rgba = part.convert("RGBA")
    white = Image.new("RGB", part.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _levels(image: Image.Image) -> tuple[float, float]:
    """Which values mean black and white.

    16-bit greys say so by their type. Of 32-bit ones nothing says it: a range in common use that
    holds all values is taken, else the values' own.
    """
    if image.mode.startswith("I;16"):
        return 0, _WORD
    low, high = _extrema(image)
    usual = (1, _BYTE) if image.mode == "F" else (_BYTE, _WORD)
    for white in usual:
        if low >= 0 and high <= white:
            return 0, white
    return low, high


def _extrema(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite value, row by row: a whole copy may be 400 MB."""
    low, high = np.inf, -np.inf
    for top in range(image.height):
        row = np.asarray(image.crop((0, top, image.width, top + 1)))
        finite = row[np.isfinite(row)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0, 1)


def _scaled(part: Image.Image, low: float, high: float, curve: Curve | None) -> Image.Image:
    values = np.nan_to_num(np.asarray(part, np.float64), nan=low, posinf=high, neginf=low)
    gray = np.clip((values - low) * (_BYTE / ((high - low) or 1)), 0, _BYTE)
    if curve:
        gray = np.interp(gray, np.arange(_BYTE + 1), curve)
    return Image.fromarray(np.rint(gray).astype(np.uint8)).convert("RGB")
