"""A picture's miniature, by which copies that were cut or framed are told from other pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagesearch.embedding.plain_frame import inside_frame
from imagesearch.miniatures import SIDE, to_text


def miniature(upright: Image.Image) -> str:
    """What `imagesearch.miniatures` makes of an upright picture inside its frame, if it has one."""
    inside = inside_frame(upright.convert("L"))
    greys = inside.resize((SIDE, SIDE), Image.Resampling.BOX)
    return to_text(np.asarray(greys, np.float32), inside.width / inside.height)
