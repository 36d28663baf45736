"""A miniature: 24 x 24 greys of a picture, enough to see whether one is cut out of another."""

import binascii
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Greys: TypeAlias = NDArray[np.float32]

SIDE = 24
# Six bits make a digit of base64.
LEVELS = 64
CHARACTERS = SIDE * SIDE
# What three decimals can say: a picture of 1 x 30,000 pixels is narrower.
LEAST_RATIO = 0.001


def to_text(greys: Greys, ratio: float) -> str:
    """[24, 24] greys of a picture `ratio` times as wide as high, such as `1.500:` and 576 digits.

    They go from the darkest to the lightest in 64 levels, row by row, so that another brightness
    or contrast makes no difference.
    """
    low, high = float(greys.min()), float(greys.max())
    levels = np.round((greys - low) * ((LEVELS - 1) / max(high - low, 1.0))).astype(np.uint8)
    six_bits = np.unpackbits(levels.reshape(-1, 1), axis=1)[:, 2:]
    digits = urlsafe_b64encode(np.packbits(six_bits).tobytes()).decode()
    return f"{max(ratio, LEAST_RATIO):.3f}:{digits}"


def from_text(text: str) -> tuple[Greys, float]:
    """The greys in 0..63 and the ratio, above 0. Raises ValueError for what is no miniature.

    Older releases wrote 0.000 for a ratio below LEAST_RATIO.
    """
    written, _, digits = text.partition(":")
    if len(digits) != CHARACTERS:
        raise ValueError(f"a miniature has {CHARACTERS} digits, this one {len(digits)}")
    ratio = float(written)
    if not math.isfinite(ratio) or ratio < 0:
        raise ValueError(f"a miniature has no ratio of {written}")
    try:
        packed = np.frombuffer(urlsafe_b64decode(digits), np.uint8)
    except binascii.Error as error:
        raise ValueError("a miniature is written in base64") from error
    six_bits = np.unpackbits(packed).reshape(-1, 6)
    greys = (six_bits @ (1 << np.arange(5, -1, -1))).astype(np.float32).reshape(SIDE, SIDE)
    return greys, max(ratio, LEAST_RATIO)
