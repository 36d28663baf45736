"""The representative frame of an animation or a multi-page file: the first that is not blank.

Animations often begin with a blank frame, scans with a blank page.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from imagesearch.embedding.decoding.preprocessing import Size
from imagesearch.embedding.decoding.transforms import over_white

# Both limit the time for the search.
MAX_FRAMES = 30
_MAX_PIXELS = 100_000_000
# Lossy compression changes a uniform color by up to this many levels of 255.
_TOLERANCE = 8
_STRIP_PIXELS = 1_000_000
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
# TIFF 6.0, section 8: a smaller copy of another page, or a mask of its transparency.
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2


def may_have_frames(image: Image.Image) -> bool:
    """True if a frame other than the first may be representative.

    A HEIF file declares its primary image.
    """
    return image.format != "HEIF" and bool(getattr(image, "is_animated", False))


def is_not_blank(image: Image.Image) -> bool:
    """True if the current, loaded frame has more than one color over white."""
    if _is_auxiliary(image):
        return False
    rows = max(1, _STRIP_PIXELS // image.width)
    lows, highs = [], []
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        for low, high in _extremes(strip):
            lows.append(low)
            highs.append(high)
    channels = len(lows) // -(-image.height // rows)
    return any(
        max(highs[channel::channels]) - min(lows[channel::channels]) > _TOLERANCE
        for channel in range(channels)
    )


def seek_not_blank(image: Image.Image, load: Callable[[], Size]) -> Size | None:
    """Seek the next frame that is not blank, and load it by `load`; returns its size.

    None if there is none among the first frames, or one of them is damaged.
    """
    pixels = 0
    # Larger frames may exhaust memory together with the previous frame and disposed regions.
    if image.width * image.height > _MAX_PIXELS // 2:
        return None
    for frame in range(1, MAX_FRAMES):
        pixels += image.width * image.height
        if pixels > _MAX_PIXELS:
            return None
        try:
            image.seek(frame)
            size = load()
            if is_not_blank(image):
                return size
        except Exception:  # an error in a later frame does not affect the first one
            return None
    return None


def _is_auxiliary(image: Image.Image) -> bool:
    """True for a thumbnail, a mask, or the default image of an animated PNG."""
    if getattr(image, "default_image", False) and image.tell() == 0:
        return True  # Only viewers without APNG support show it.
    tags = getattr(image, "tag_v2", {})
    kind = tags.get(_NEW_SUBFILE_TYPE, 0)
    return bool(kind & (_REDUCED | _MASK)) or tags.get(_SUBFILE_TYPE) == _OLD_REDUCED


def _extremes(strip: Image.Image) -> list[tuple[float, float]]:
    if strip.mode in ("I", "F") or strip.mode.startswith("I;16"):
        low, high = strip.getextrema()
        return [(float(low), float(high))]  # type: ignore[arg-type]
    return list(over_white(strip).getextrema())  # type: ignore[arg-type]
