"""The frame that stands for an animation or a file of several pages: the first that shows anything.

Animations begin with an empty frame, scans with an empty page.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from imagesearch.embedding.decoding.preprocessing import Size

# Both bound the time; a film of many frames has shown something by then.
MAX_FRAMES = 30
_MOST_PIXELS = 100_000_000
# Lossy formats roughen a plain color by this many levels of 255.
_TOLERANCE = 8
_STRIP_PIXELS = 1_000_000
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
# TIFF 6.0, section 8: a smaller copy of another page, or a mask of its transparency.
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2


def several_frames(image: Image.Image) -> bool:
    """Whether another frame than the first may be the picture.

    A HEIF file names the one that is meant.
    """
    return image.format != "HEIF" and bool(getattr(image, "is_animated", False))


def shows_anything(image: Image.Image) -> bool:
    """Whether the frame in view, which is loaded, is more than one plain color over white."""
    if _is_beside(image):
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


def seek_shown(image: Image.Image, load: Callable[[], Size]) -> Size | None:
    """Go on from the first frame to one that shows anything, and load it by `load`.

    Its size; None where there is none among the first frames, or one of them is damaged.
    """
    pixels = 0
    # Of larger frames the one before and the parts that are put back might fill the memory.
    if image.width * image.height > _MOST_PIXELS // 2:
        return None
    for frame in range(1, MAX_FRAMES):
        pixels += image.width * image.height
        if pixels > _MOST_PIXELS:
            return None
        try:
            image.seek(frame)
            size = load()
            if shows_anything(image):
                return size
        except Exception:  # whatever is wrong with a later frame, the first one can be read
            return None
    return None


def _is_beside(image: Image.Image) -> bool:
    """Whether a frame is not one of those that the file is made of."""
    if getattr(image, "default_image", False) and image.tell() == 0:
        return True  # For viewers that know no animated PNG: browsers do not show it.
    tags = getattr(image, "tag_v2", {})
    kind = tags.get(_NEW_SUBFILE_TYPE, 0)
    return bool(kind & (_REDUCED | _MASK)) or tags.get(_SUBFILE_TYPE) == _OLD_REDUCED


def _extremes(strip: Image.Image) -> list[tuple[float, float]]:
    if strip.mode in ("I", "F") or strip.mode.startswith("I;16"):
        low, high = strip.getextrema()
        return [(float(low), float(high))]  # type: ignore[arg-type]
    if strip.has_transparency_data:
        straight = strip.convert("LA") if strip.mode == "La" else strip
        rgba = straight.convert("RGBA")
        strip = Image.new("RGB", strip.size, "white")
        strip.paste(rgba, mask=rgba)
    return list(strip.convert("RGB").getextrema())  # type: ignore[arg-type]
