"""The conditions of a filter on one field: texts, numbers, degrees and times.

A condition is an object (`{"gte": 1000}`) or a value as its short form.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.filters import MetadataContains, MetadataOneOf
from imagesearch.domain.images import Orientation

MAX_VALUES = 100
MAX_VALUE = 2_048
# The maximum of OpenSearch's type integer: https://docs.opensearch.org/latest/mappings/supported-field-types/numeric/
MAX_NUMBER = 2**31 - 1
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6, with or without seconds and zone
_MOMENT = re.compile(rf"{_DAY.pattern}T\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)

Value: TypeAlias = Annotated[str, Field(max_length=MAX_VALUE)]
Values: TypeAlias = Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES)]
Part: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_VALUE)]
Parts: TypeAlias = Annotated[list[Part], Field(min_length=1, max_length=MAX_VALUES)]
Number: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=MAX_NUMBER)]
Degrees: TypeAlias = Annotated[float, Field(strict=True, ge=-180, le=180)]
MomentText: TypeAlias = Annotated[
    str, Field(examples=["2024", "2024-07", "2024-07-01", "2024-07-01T10:00:00Z"], max_length=40)
]


class OneOfTexts(BaseModel):
    """The value is one of these."""

    model_config = ConfigDict(extra="forbid")

    in_: Annotated[Values, Field(alias="in", description="Accepted values.")]


class MetadataTexts(BaseModel):
    """The value is one of `in`, or contains one of `contains`."""

    model_config = ConfigDict(extra="forbid")

    in_: Annotated[Values | None, Field(alias="in", description="Accepted values.")] = None
    contains: Annotated[
        Part | Parts | None,
        Field(description="Text that the value contains; A to Z match in either case."),
    ] = None

    @model_validator(mode="after")
    def _is_one(self) -> "MetadataTexts":
        if (self.in_ is None) == (self.contains is None):
            raise PydanticCustomError("condition", "Input should have either in or contains")
        return self

    def leaf(self, name: str) -> MetadataOneOf | MetadataContains:
        if self.contains is None:
            return MetadataOneOf(name, tuple(self.in_ or ()))
        parts = [self.contains] if isinstance(self.contains, str) else self.contains
        return MetadataContains(name, tuple(parts))


class Bounds(BaseModel):
    """A range with at least one bound."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _is_bounded(self) -> "Bounds":
        if not self.bounds():
            raise PydanticCustomError("bounds", "Input should have one of gte, gt, lte, lt")
        return self

    def bounds(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class NumberBounds(Bounds):
    """A range of integers."""

    gte: Annotated[Number | None, Field(description="Greater than or equal to.")] = None
    gt: Annotated[Number | None, Field(description="Greater than.")] = None
    lte: Annotated[Number | None, Field(description="Less than or equal to.")] = None
    lt: Annotated[Number | None, Field(description="Less than.")] = None


class DegreesBounds(Bounds):
    """A range of degrees."""

    gte: Annotated[Degrees | None, Field(description="Greater than or equal to.")] = None
    gt: Annotated[Degrees | None, Field(description="Greater than.")] = None
    lte: Annotated[Degrees | None, Field(description="Less than or equal to.")] = None
    lt: Annotated[Degrees | None, Field(description="Less than.")] = None


def _start(value: object) -> datetime:
    """The time; of a date, a month or a year, its first instant."""
    return _parse_time(value, time.min)


def _end(value: object) -> datetime:
    """The time; of a date, a month or a year, its last instant."""
    return _parse_time(value, time.max)


def _parse_time(value: object, time_of_date: time) -> datetime:
    text = value if isinstance(value, str) else ""
    try:
        if period := _PERIOD.fullmatch(text):
            return datetime.combine(_day_of(period, time_of_date), time_of_date, UTC)
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time_of_date, UTC)
        if _MOMENT.fullmatch(text):
            parsed = datetime.fromisoformat(text)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except ValueError:
        pass
    message = "Input should be a time, date, month or year, like 2024-07-01T10:00:00Z or 2024-07"
    raise PydanticCustomError("moment", message)


def _day_of(period: re.Match[str], time_of_date: time) -> date:
    """The first or the last day of a month or of a year."""
    year, month = int(period[1]), int(period[2]) if period[2] else None
    if time_of_date == time.min:
        return date(year, month or 1, 1)
    last = month or 12
    return date(year, last, calendar.monthrange(year, last)[1])


Start: TypeAlias = Annotated[datetime, BeforeValidator(_start, json_schema_input_type=MomentText)]
End: TypeAlias = Annotated[datetime, BeforeValidator(_end, json_schema_input_type=MomentText)]


class TimeBounds(Bounds):
    """A range of times. A date, a month or a year is a whole one: `lte` includes it to its end."""

    gte: Annotated[Start | None, Field(description="At or after this time.")] = None
    gt: Annotated[End | None, Field(description="After this time, or after the date's end.")] = None
    lte: Annotated[
        End | None, Field(description="At or before this time, or by the end of the date.")
    ] = None
    lt: Annotated[Start | None, Field(description="Before this time.")] = None


def _texts(value: object) -> object:
    if isinstance(value, str):
        return {"in": [value]}
    if isinstance(value, list):
        return {"in": value}
    return _object(value, "a string, a list of strings or an object with 'in'")


def _numbers(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"gte": value, "lte": value}
    return _object(value, "an integer or an object with gte, gt, lte, lt")


def _degrees(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"gte": value, "lte": value}
    return _object(value, "a number of degrees or an object with gte, gt, lte, lt")


def _times(value: object) -> object:
    if isinstance(value, str):
        return {"gte": value, "lte": value}
    return _object(value, "a date, a time or an object with gte, gt, lte, lt")


def _object(value: object, expected: str) -> object:
    if isinstance(value, Mapping):
        return value
    raise PydanticCustomError("condition", "Input should be {expected}", {"expected": expected})


Texts: TypeAlias = Annotated[
    OneOfTexts, BeforeValidator(_texts, json_schema_input_type=Value | Values | OneOfTexts)
]
Numbers: TypeAlias = Annotated[
    NumberBounds, BeforeValidator(_numbers, json_schema_input_type=Number | NumberBounds)
]
Coordinate: TypeAlias = Annotated[
    DegreesBounds, BeforeValidator(_degrees, json_schema_input_type=Degrees | DegreesBounds)
]
Times: TypeAlias = Annotated[
    TimeBounds, BeforeValidator(_times, json_schema_input_type=MomentText | TimeBounds)
]
MetadataCondition: TypeAlias = Annotated[
    MetadataTexts, BeforeValidator(_texts, json_schema_input_type=Value | Values | MetadataTexts)
]


def _shapes(texts: OneOfTexts) -> OneOfTexts:
    for value in texts.in_:
        if value not in list(Orientation):
            message = "Input should be {known}"
            raise PydanticCustomError("orientation", message, {"known": " or ".join(Orientation)})
    return texts


Shapes: TypeAlias = Annotated[Texts, AfterValidator(_shapes)]
