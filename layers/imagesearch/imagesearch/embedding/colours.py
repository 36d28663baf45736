"""From every mode that Pillow decodes to RGB over white."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image

ToRGB: TypeAlias = Callable[[Image.Image], Image.Image]
_BYTE, _WORD = 255, 65_535


def to_rgb(image: Image.Image) -> ToRGB:
    """How parts of this loaded picture become RGB; parts of one picture are all treated alike."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _levels(image)
        return lambda part: _scaled(part, low, high)
    if image.has_transparency_data:
        return _over_white
    return lambda part: part if part.mode == "RGB" else part.convert("RGB")


def _over_white(part: Image.Image) -> Image.Image:
    # Pillow takes premultiplied grey to RGBA by way of LA alone.
    straight = part.convert("LA") if part.mode == "La" else part
    rgba = straight.convert("RGBA")
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


def _scaled(part: Image.Image, low: float, high: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(part, np.float64), nan=low, posinf=high, neginf=low)
    grey = np.clip((values - low) * (_BYTE / ((high - low) or 1)), 0, _BYTE)
    return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
