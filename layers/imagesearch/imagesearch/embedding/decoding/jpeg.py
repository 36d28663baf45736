"""JPEG files that were cut short: viewers show the rows that are there, and they can be found.

How the coefficients of an opened JPEG are stored: in one scan, or in several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from imagesearch.domain.errors import UnreadableImage


def has_several_scans(image: Image.Image, data: bytes) -> bool:
    """Whether libjpeg must hold all coefficients before it can give the first row.

    That is so of progressive files, and of others whose first scan lacks a component.
    """
    if image.info.get("progressive"):
        return True
    file: Any = getattr(image, "fp", None)
    layers = len(getattr(image, "layer", []))
    if not layers or file is None:
        return False
    # The file was read up to the end of the first scan's header (ITU-T T.81, B.2.3).
    end = file.tell()
    for components in range(1, layers):
        length = 6 + 2 * components
        start = end - length
        head = b"\xff\xda" + length.to_bytes(2, "big") + bytes([components])
        if start >= 2 and data[start - 2 : start + 3] == head:
            return True
    return False


# With less than half of a picture nobody knows what it shows.
LEAST_SHARE = 0.5
_FILLS = (0, 255)
# libjpeg's gray for what is missing: that of coefficients that are all zero.
_MISSING = 128
_ROWS = 64


def is_cut_short(image: Image.Image) -> bool:
    """Whether an error in loading a picture may mean that its file ends too early."""
    return image.format in ("JPEG", "MPO") and getattr(image, "tell", lambda: 0)() == 0


def decoded_rows(prepared: Callable[[], Image.Image], data: bytes) -> tuple[Image.Image, int]:
    """A JPEG without an end, loaded, and how many of its rows are there.

    `prepared` opens it, ready to be loaded. Raises UnreadableImage where less than half are there.
    """
    image = prepared()
    several = has_several_scans(image, data)
    rows = _to_the_end(image) if several else _as_far_as_it_goes(image, prepared())
    if rows < LEAST_SHARE * image.height:
        raise UnreadableImage(
            f"the picture is cut short: {rows / image.height:.0%} of its rows are there",
            "check that it opens in a viewer, and copy it from its source again",
            code="damaged_image",
        )
    return image, rows


def _as_far_as_it_goes(image: Image.Image, again: Image.Image) -> int:
    """Rows of a picture in one scan: without more data its decoder leaves the others alone.

    They are those that keep what was there before, twice: once it was black, and once white.
    """
    untouched = np.ones(image.height, bool)
    for each, fill in zip((again, image), _FILLS, strict=True):
        _fill(each, fill)
        # In place of the method that adds an end, by which libjpeg would paint the rest gray.
        each.load_read = each.fp.read  # type: ignore[attr-defined]
        _load(each)
        untouched &= _rows_of(each, fill)
    return _count(untouched)


def _to_the_end(image: Image.Image) -> int:
    """Rows of a picture in several scans: all of them where the first scan is there.

    Those that are missing even in the first scan are gray.
    """
    # Pillow inverts CMYK.
    gray = 255 - _MISSING if image.mode == "CMYK" else _MISSING
    _fill(image, gray)
    _load(image)
    return _count(_rows_of(image, gray))


def _fill(image: Image.Image, value: int) -> None:
    """Make the pixels that a decoder is to write."""
    image.im = Image.new(image.mode, image.size, (value,) * len(image.getbands())).im


def _load(image: Image.Image) -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _rows_of(image: Image.Image, value: int) -> NDArray[np.bool_]:
    """Which rows have this value throughout."""
    found = np.empty(image.height, bool)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        strip = np.asarray(image.crop((0, top, image.width, bottom)))
        found[top:bottom] = (strip.reshape(bottom - top, -1) == value).all(axis=1)
    return found


def _count(missing: NDArray[np.bool_]) -> int:
    """How many rows come before those that are missing down to the last one."""
    there = np.flatnonzero(~missing)
    return int(there[-1]) + 1 if there.size else 0
