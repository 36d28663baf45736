"""What a model asks of a picture before it looks at it, and where its pixels come to lie.

A decoded picture, and the bounds within which a file is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from imagesearch.domain.images import Details, Embedding

Box: TypeAlias = tuple[float, float, float, float]
Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The manifest's words: `size` of the square in pixels, `mean` and `std` of values in [0, 1].

    `resize` says how a picture becomes a square: "crop" its middle, "pad" it with `pad_color`
    (RGB, 0–255), or "stretch" it.
    """

    size: int
    resize: Literal["crop", "pad", "stretch"]
    resample: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pad_color: tuple[int, int, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preprocessing:
        """Lists become tuples: JSON knows no tuples."""
        tuples: dict[str, Any] = {
            name: tuple(part) if isinstance(part, list) else part for name, part in value.items()
        }
        return cls(**tuples)


@dataclass(frozen=True, slots=True)
class Placement:
    """Resample `box` of the source (left, top, right, bottom) to `size`; put it at `offset`."""

    box: Box
    size: Size
    offset: tuple[int, int] = (0, 0)


def place(source: Size, wanted: Preprocessing) -> Placement:
    """Where a picture of `source` (width, height) comes to lie on the model's square."""
    width, height = source
    if wanted.resize == "crop":
        return _middle(source, wanted.size)
    if wanted.resize == "stretch":
        return Placement((0, 0, width, height), (wanted.size, wanted.size))
    scale = wanted.size / max(source)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    offset = (wanted.size - size[0]) // 2, (wanted.size - size[1]) // 2
    return Placement((0, 0, width, height), size, offset)


def _middle(source: Size, side: int) -> Placement:
    """The shortest side becomes `side`, then the middle is kept.

    The rounding is that of Hugging Face's CLIPImageProcessor (get_resize_output_image_size with
    default_to_square=False, then center_crop), expressed in the source's pixels.
    """
    shortest = min(source)
    spans = []
    for length in source:
        resized = int(side * length / shortest)
        before = (resized - side) // 2
        spans.append((before * length / resized, (before + side) * length / resized))
    (left, right), (top, bottom) = spans
    return Placement((left, top, right, bottom), (side, side))


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
