"""What a filter may ask of one field: texts, numbers or times, each in short or in full."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_VALUES = 100
MAX_VALUE = 2_048
# What OpenSearch's integers hold: https://docs.opensearch.org/latest/mappings/supported-field-types/numeric/
MAX_NUMBER = 2**31 - 1
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6, with or without seconds and zone
_MOMENT = re.compile(rf"{_DAY.pattern}T\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)

Value: TypeAlias = Annotated[str, Field(max_length=MAX_VALUE)]
Values: TypeAlias = Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES)]
Number: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=MAX_NUMBER)]
Degrees: TypeAlias = Annotated[float, Field(strict=True, ge=-180, le=180)]
MomentText: TypeAlias = Annotated[
    str, Field(examples=["2024-07-01", "2024-07-01T10:00:00Z"], max_length=40)
]


class OneOfTexts(BaseModel):
    """The text is one of these."""

    model_config = ConfigDict(extra="forbid")

    in_: Annotated[Values, Field(alias="in", description="One of these fits.")]


class Bounds(BaseModel):
    """Bounds, each of which holds."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _bind(self) -> "Bounds":
        if not self.given():
            raise PydanticCustomError("bounds", "Input should have one of gte, gt, lte, lt")
        return self

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class NumberBounds(Bounds):
    """The whole number lies within all of these."""

    gte: Annotated[Number | None, Field(description="At least.")] = None
    gt: Annotated[Number | None, Field(description="More than.")] = None
    lte: Annotated[Number | None, Field(description="At most.")] = None
    lt: Annotated[Number | None, Field(description="Less than.")] = None


class DegreesBounds(Bounds):
    """The degrees lie within all of these."""

    gte: Annotated[Degrees | None, Field(description="At least.")] = None
    gt: Annotated[Degrees | None, Field(description="More than.")] = None
    lte: Annotated[Degrees | None, Field(description="At most.")] = None
    lt: Annotated[Degrees | None, Field(description="Less than.")] = None


def _begin(value: object) -> datetime:
    """The moment of a text; of a day its first."""
    return _moment(value, time.min)


def _end(value: object) -> datetime:
    return _moment(value, time.max)


def _moment(value: object, of_day: time) -> datetime:
    text = value if isinstance(value, str) else ""
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_day, UTC)
        if _MOMENT.fullmatch(text):
            found = datetime.fromisoformat(text)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        pass
    message = "Input should be a day or a time, like 2024-07-01 or 2024-07-01T10:00:00Z"
    raise PydanticCustomError("moment", message)


Begin: TypeAlias = Annotated[datetime, BeforeValidator(_begin, json_schema_input_type=MomentText)]
End: TypeAlias = Annotated[datetime, BeforeValidator(_end, json_schema_input_type=MomentText)]


class TimeBounds(Bounds):
    """The time lies within all of these; a day is all of it: "lte" reaches to its end."""

    gte: Annotated[Begin | None, Field(description="Then or later.")] = None
    gt: Annotated[End | None, Field(description="Later; of a day, behind its end.")] = None
    lte: Annotated[End | None, Field(description="Then or earlier; of a day, to its end.")] = None
    lt: Annotated[Begin | None, Field(description="Earlier.")] = None


def _texts(value: object) -> object:
    if isinstance(value, str):
        return {"in": [value]}
    if isinstance(value, list):
        return {"in": value}
    return _full(value, "a text, a list of texts or an object with 'in'")


def _numbers(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"gte": value, "lte": value}
    return _full(value, "a whole number or an object with gte, gt, lte, lt")


def _degrees(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"gte": value, "lte": value}
    return _full(value, "degrees or an object with gte, gt, lte, lt")


def _times(value: object) -> object:
    if isinstance(value, str):
        return {"gte": value, "lte": value}
    return _full(value, "a day, a time or an object with gte, gt, lte, lt")


def _full(value: object, known: str) -> object:
    if isinstance(value, Mapping):
        return value
    raise PydanticCustomError("condition", "Input should be {known}", {"known": known})


Texts: TypeAlias = Annotated[
    OneOfTexts, BeforeValidator(_texts, json_schema_input_type=Value | Values | OneOfTexts)
]
Numbers: TypeAlias = Annotated[
    NumberBounds, BeforeValidator(_numbers, json_schema_input_type=Number | NumberBounds)
]
Place: TypeAlias = Annotated[
    DegreesBounds, BeforeValidator(_degrees, json_schema_input_type=Degrees | DegreesBounds)
]
Times: TypeAlias = Annotated[
    TimeBounds, BeforeValidator(_times, json_schema_input_type=MomentText | TimeBounds)
]
