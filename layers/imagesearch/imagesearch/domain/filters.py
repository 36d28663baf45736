"""What a search may be narrowed to: filters that hold while neighbours are looked for, not after.

A filter on what a document does not record holds for no document, and its negation for that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

NumberField: TypeAlias = Literal["width", "height", "size", "latitude", "longitude"]
DateField: TypeAlias = Literal["taken_at", "indexed_at", "last_modified"]
TextField: TypeAlias = Literal["collection", "content_type", "sha256", "phash", "model"]


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """The key begins with `prefix`, a whole folder ("2024/") or any text ("2024/be")."""

    prefix: str


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Pixels, bytes or degrees within bounds; one that is None does not bind."""

    field: NumberField
    gte: float | None = None
    lte: float | None = None
    gt: float | None = None
    lt: float | None = None


@dataclass(frozen=True, slots=True)
class DateRange:
    """A time within bounds, to the millisecond; a time without zone is taken as UTC."""

    field: DateField
    gte: datetime | None = None
    lte: datetime | None = None
    gt: datetime | None = None
    lt: datetime | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A recorded text is one of these."""

    field: TextField
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetadataOneOf:
    """The metadata's entry `name` is one of these."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """There is something in this field."""

    field: TextField


@dataclass(frozen=True, slots=True)
class MetadataRecorded:
    """The metadata has an entry of this name, whatever it says."""

    name: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds; true of everything when there is none."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds; true of nothing when there is none."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    filter: Filter


FieldFilter: TypeAlias = (
    KeyPrefix | NumberRange | DateRange | OneOf | MetadataOneOf | Recorded | MetadataRecorded
)
Filter: TypeAlias = FieldFilter | AllOf | AnyOf | Not
