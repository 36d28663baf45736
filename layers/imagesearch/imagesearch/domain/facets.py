"""Facets: the values of a field among the images of a list or a search, with their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise

from imagesearch.domain.folders import collection_below
from imagesearch.domain.images import Document

MAX_VALUES = 50
MAX_YEARS = 100
MAX_MONTHS = 600
# Pixels of an image: thumbnails, web images, and three sizes of photos.
PIXEL_BOUNDS = (500_000, 2_000_000, 8_000_000, 24_000_000)


class FacetName(StrEnum):
    """YEAR, MONTH: when the image was taken, in UTC. COLLECTION: one level below the selected one.

    PIXELS: the bucket of the number of pixels, an index of `PIXEL_BUCKETS`.
    """

    YEAR = "year"
    MONTH = "month"
    CAMERA = "camera"
    PIXELS = "pixels"
    ORIENTATION = "orientation"
    CONTENT_TYPE = "content_type"
    COLLECTION = "collection"


@dataclass(frozen=True, slots=True)
class PixelBucket:
    """Numbers of pixels of at least `gte` and less than `lt`; None is no bound."""

    gte: int | None
    lt: int | None


PIXEL_BUCKETS = tuple(PixelBucket(*bounds) for bounds in pairwise((None, *PIXEL_BOUNDS, None)))


@dataclass(frozen=True, slots=True)
class Facet:
    """Values with their counts; `others` images have another value, `missing` have none.

    Times are newest first and pixels smallest first; other values are ordered by count, highest
    first, then by value.
    """

    values: tuple[tuple[str, int], ...]
    others: int
    missing: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of `images` images."""

    images: int
    by_name: Mapping[FacetName, Facet]


class FacetCounter:
    """Counts the values of images, each of which has at most one value of a facet."""

    def __init__(self) -> None:
        self._images = 0
        self._counts: dict[FacetName, Counter[str]] = {name: Counter() for name in FacetName}

    def add(self, values: Mapping[FacetName, str | None], images: int = 1) -> None:
        """Count images with these values."""
        self._images += images
        for name, value in values.items():
            if value is not None:
                self._counts[name][value] += images

    def facets(self) -> Facets:
        return Facets(
            self._images,
            {
                name: facet(name, counts.items(), self._images, counts.total())
                for name, counts in self._counts.items()
            },
        )


def facet(name: FacetName, counts: Iterable[tuple[str, int]], images: int, recorded: int) -> Facet:
    """The facet of `images` images, of which `recorded` have a value."""
    values = sorted(counts)
    limit = {FacetName.YEAR: MAX_YEARS, FacetName.MONTH: MAX_MONTHS}.get(name, MAX_VALUES)
    if name in (FacetName.YEAR, FacetName.MONTH):
        values.reverse()
    elif name is not FacetName.PIXELS:
        values.sort(key=lambda each: -each[1])
    shown = tuple(values[:limit])
    return Facet(shown, recorded - sum(count for _, count in shown), images - recorded)


def facets_of(documents: Iterable[Document], parent: str | None = None) -> Facets:
    """The facets of documents; `parent` is the selected collection."""
    counter = FacetCounter()
    for each in documents:
        counter.add(
            {
                FacetName.YEAR: _time(each.taken_at, "%Y"),
                FacetName.MONTH: _time(each.taken_at, "%Y-%m"),
                FacetName.CAMERA: each.metadata.get("camera"),
                FacetName.PIXELS: pixel_bucket(each.pixels),
                FacetName.ORIENTATION: each.orientation,
                FacetName.CONTENT_TYPE: each.content_type,
                FacetName.COLLECTION: collection_below(each.ref.key, parent),
            }
        )
    return counter.facets()


def pixel_bucket(pixels: int | None) -> str | None:
    """The index of the bucket of a number of pixels."""
    return None if pixels is None else str(sum(pixels >= bound for bound in PIXEL_BOUNDS))


def _time(taken_at: datetime | None, form: str) -> str | None:
    """A time in UTC; one without a time zone is interpreted as UTC."""
    if taken_at is None:
        return None
    utc = taken_at.astimezone(UTC) if taken_at.tzinfo else taken_at
    # %Y has no leading zeros on Linux.
    return form.replace("%Y", f"{utc.year:04}").replace("%m", f"{utc.month:02}")
