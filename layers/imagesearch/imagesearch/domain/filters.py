"""Filters of searches and lists. They apply during the k-NN search, not to its result.

A filter on a field that a document does not have does not match, and its negation does. The class
and field names are part of cursors (see `queries.fingerprint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

NumberField: TypeAlias = Literal["width", "height", "pixels", "size", "latitude", "longitude"]
DateField: TypeAlias = Literal["taken_at", "indexed_at", "last_modified"]
TextField: TypeAlias = Literal[
    "collection", "content_type", "orientation", "sha256", "phash", "model"
]


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """The key begins with `prefix`, which may end within a name ("2024/" or "2024/be")."""

    prefix: str


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The number (pixels, bytes or degrees) is within the bounds that are not None."""

    field: NumberField
    gte: float | None = None
    lte: float | None = None
    gt: float | None = None
    lt: float | None = None


@dataclass(frozen=True, slots=True)
class DateRange:
    """The time is within the bounds that are not None.

    Compared with millisecond precision; a time without a time zone is interpreted as UTC.
    """

    field: DateField
    gte: datetime | None = None
    lte: datetime | None = None
    gt: datetime | None = None
    lt: datetime | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values."""

    field: TextField
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetadataOneOf:
    """The metadata entry `name` has one of these values."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetadataContains:
    """The metadata entry `name` contains one of these texts; A to Z match in either case."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The field has a value."""

    field: TextField


@dataclass(frozen=True, slots=True)
class MetadataRecorded:
    """The metadata has an entry `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """All filters match; with no filters, every document matches."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one filter matches; with no filters, no document matches."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The filter does not match."""

    filter: Filter


FieldFilter: TypeAlias = (
    KeyPrefix
    | NumberRange
    | DateRange
    | OneOf
    | MetadataOneOf
    | MetadataContains
    | Recorded
    | MetadataRecorded
)
Filter: TypeAlias = FieldFilter | AllOf | AnyOf | Not


def lower_ascii(text: str) -> str:
    """The text with A to Z in lower case; other letters are unchanged."""
    return text.translate(_LOWER)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
