"""A decoded picture, and the bounds within which a file is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagesearch.details import Details
from imagesearch.domain.images import Embedding

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the model takes it: `pixels` [3, H, W] float32; width, height as displayed.

    One that is `truncated` has fewer rows than its file declares, and `pixels` shows these alone.
    """

    pixels: Embedding
    width: int
    height: int
    content_type: str
    taken_at: datetime | None = None
    details: Details | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """Checked before pixels are decoded; `memory_bytes` is what decoding is expected to take.

    `pixels` are those that are decoded, which of a JPEG may be fewer than its file declares.
    """

    file_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    memory_bytes: int = 1_050 * MEGABYTE
