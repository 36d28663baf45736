"""A picture's contrast map, by which copies of a page are distinguished from other pages."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from imagesearch.duplicates.contrast_maps import LONGEST_SIDE, SHORTEST_SIDE, to_text
from imagesearch.embedding.plain_frame import inside_frame

# Two passes of a box of 13 and 11 cells are the surroundings: about three lines of a letter.
_RADII = (6, 5)
# Contrast of so many levels of 255 is noise: plain surfaces stay plain.
_NOISE = 3.0
# Contrast of this share of the picture's own counts half.
_SOFTNESS = 0.7


def contrast_map(upright: Image.Image) -> str:
    """What `imagesearch.duplicates.contrast_maps` makes of an upright picture inside its plain frame."""
    inside = inside_frame(upright.convert("L"))
    scale = LONGEST_SIDE / max(inside.size)
    size = (
        max(SHORTEST_SIDE, round(inside.width * scale)),
        max(SHORTEST_SIDE, round(inside.height * scale)),
    )
    grey = inside.resize(size, Image.Resampling.BOX)
    around = grey
    for radius in _RADII:
        around = around.filter(ImageFilter.BoxBlur(radius))
    difference = np.asarray(grey, np.float32) - np.asarray(around, np.float32)
    soft = max(_NOISE, _SOFTNESS * float(np.sqrt(np.mean(difference**2))))
    return to_text(difference / np.sqrt(difference**2 + soft**2))
