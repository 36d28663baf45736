"""Preprocessing parameters, limits and the result of decoding, shared by parent and worker.

Imports no decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from imagesearch.domain.images import Details, Embedding

Box: TypeAlias = tuple[float, float, float, float]
Size: TypeAlias = tuple[int, int]

MEGABYTE = 10**6
# The limits of one image.
MAX_CPU_SECONDS = 10.0
MAX_MEMORY = 1_050 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The preprocessing of a model, from its manifest.

    size: width and height of the model's input in pixels.
    resize: "crop" the center, "pad" with `pad_color` (RGB, 0 to 255), or "stretch".
    mean, std: normalization of values in [0, 1].
    """

    size: int
    resize: Literal["crop", "pad", "stretch"]
    resample: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pad_color: tuple[int, int, int]

    def as_json(self) -> dict[str, Any]:
        """The parameters for the protocol."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preprocessing:
        """The parameters from the protocol; lists become tuples."""
        tuples: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in value.items()
        }
        return cls(**tuples)


@dataclass(frozen=True, slots=True)
class Placement:
    """Resample `box` (left, top, right, bottom) of an image to `size`; paste it at `offset`."""

    box: Box
    size: Size
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: the model's input `pixels` [3, H, W] float32; width, height as displayed.

    A `truncated` image has fewer rows than its file declares; `pixels` shows the existing rows.
    """

    pixels: Embedding
    width: int
    height: int
    content_type: str
    taken_at: datetime | None = None
    details: Details | None = None
    truncated: bool = False
    taken_offset: str | None = None


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """Limits that are checked before pixels are decoded.

    pixels: the decoded pixels, which for a JPEG may be fewer than its file declares.
    memory_bytes: the expected memory for decoding.
    """

    file_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    memory_bytes: int = MAX_MEMORY


@dataclass(frozen=True, slots=True)
class DecodingCost:
    """The CPU time and the expected memory that decoding one file may take.

    A query takes no more than its size justifies, because anyone who may search sends it: a WebP of
    34 bytes declares 64 megapixels, which take a gigabyte.
    """

    cpu_seconds: float = MAX_CPU_SECONDS
    memory_bytes: int = MAX_MEMORY

    @classmethod
    def of_query(cls, file_bytes: int) -> DecodingCost:
        """2 s and 240 MB up to 100 kB; the limits of an indexed image from 500 kB."""
        return cls(
            min(MAX_CPU_SECONDS, cpu_seconds(file_bytes)),
            min(MAX_MEMORY, max(240 * MEGABYTE, 2_400 * file_bytes)),
        )


def cpu_seconds(query_bytes: int) -> float:
    """The CPU time that decoding files of this total size may take: 2 s, or 20 s per megabyte.

    That is a hundred times the time of photos.
    """
    return max(2.0, query_bytes * 20 / MEGABYTE)


def placement_of(source: Size, preprocessing: Preprocessing) -> Placement:
    """The placement of an image of size `source` (width, height) in the model's input."""
    width, height = source
    if preprocessing.resize == "crop":
        return _center(source, preprocessing.size)
    if preprocessing.resize == "stretch":
        return Placement((0, 0, width, height), (preprocessing.size, preprocessing.size))
    scale = preprocessing.size / max(source)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    offset = (preprocessing.size - size[0]) // 2, (preprocessing.size - size[1]) // 2
    return Placement((0, 0, width, height), size, offset)


def _center(source: Size, side: int) -> Placement:
    """The shortest side is resized to `side`, then the center is cropped.

    The rounding is that of Hugging Face's CLIPImageProcessor (get_resize_output_image_size with
    default_to_square=False, then center_crop), in pixels of the source.
    """
    shortest = min(source)
    spans = []
    for length in source:
        resized = int(side * length / shortest)
        before = (resized - side) // 2
        spans.append((before * length / resized, (before + side) * length / resized))
    (left, right), (top, bottom) = spans
    return Placement((left, top, right, bottom), (side, side))
