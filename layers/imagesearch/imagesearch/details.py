"""What a file tells beside its embedding, and which of it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DetailsWanted:
    """Which details cost something or are nobody's business unless somebody asks for them."""

    thumbnail: bool = False
    place: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """What a file gives beside its embedding; how it looks is meant as displayed, upright.

    `phash` is its perceptual hash, 16 hexadecimal digits; `miniature` the picture in few greys, as
    `imagesearch.miniatures` writes it; `contrasts` the contrast map of a page, a screen or a
    chart, or of what may be one, as `imagesearch.duplicates.contrast_maps` writes it, and empty for other
    pictures; `exif` what the camera wrote: `camera` and `lens`; `latitude` and `longitude` degrees,
    north and east positive; `thumbnail` is a WebP file. A hash, miniature or thumbnail that was
    wanted and could not be made is empty.
    """

    phash: str
    miniature: str
    contrasts: str | None = None
    exif: Mapping[str, str] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    thumbnail: bytes | None = None
