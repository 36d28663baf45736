"""The filter that narrows a posted search: its fields, its limits, and what it means.

What a filter may ask of one field: texts, numbers or times, each in short or in full.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateField,
    DateRange,
    Filter,
    KeyPrefix,
    MetadataOneOf,
    Not,
    NumberField,
    NumberRange,
    OneOf,
    TextField,
)

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


MAX_LEVELS = 5
METADATA = "metadata."
TEXTS: tuple[TextField, ...] = ("collection", "content_type")
EXAMPLE = {
    "prefix": "2024/",
    "width": {"gte": 1000},
    "taken_at": {"gte": "2024-01-01", "lt": "2024-07-01T12:00:00Z"},
    "metadata.camera": ["X100", "X200"],
    "not": {"content_type": "image/gif"},
}


def _metadata_by_pattern(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {f"^{METADATA[:-1]}\\..+": schema["additionalProperties"]}
    schema["additionalProperties"] = False
    schema["examples"] = [EXAMPLE]


class PostedFilter(BaseModel):
    """Every field holds. A text is one of those named; a number or a time is equal or in bounds.

    `metadata.NAME` is an entry of an image's metadata. A time without zone is taken as UTC, and
    a day is all of it. What an image does not record is no value and within no bounds.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_metadata_by_pattern)
    __pydantic_extra__: dict[str, Texts] = Field(init=False)

    prefix: Annotated[
        Texts | None, Field(description='The key begins so: a folder ("2024/") or any text.')
    ] = None
    collection: Annotated[Texts | None, Field(description="The first part of the key.")] = None
    content_type: Annotated[
        Texts | None, Field(description="What its bytes are.", examples=["image/jpeg"])
    ] = None
    width: Annotated[Numbers | None, Field(description="Pixels, as displayed.")] = None
    height: Annotated[Numbers | None, Field(description="Pixels, as displayed.")] = None
    size: Annotated[Numbers | None, Field(description="Bytes.")] = None
    latitude: Annotated[Place | None, Field(description="Degrees, north positive.")] = None
    longitude: Annotated[Place | None, Field(description="Degrees, east positive.")] = None
    taken_at: Annotated[Times | None, Field(description="When the camera took it.")] = None
    indexed_at: Annotated[Times | None, Field(description="When it was indexed.")] = None
    last_modified: Annotated[Times | None, Field(description="When it was uploaded.")] = None
    and_: Annotated[
        list["PostedFilter"] | None,
        Field(alias="and", min_length=1, max_length=MAX_VALUES, description="Every one holds."),
    ] = None
    or_: Annotated[
        list["PostedFilter"] | None,
        Field(alias="or", min_length=1, max_length=MAX_VALUES, description="At least one holds."),
    ] = None
    not_: Annotated["PostedFilter | None", Field(alias="not", description="It does not hold.")] = (
        None
    )

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, value: object) -> object:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in value if isinstance(value, Mapping) else ():
            if name not in known and not (name.startswith(METADATA) and name != METADATA):
                raise PydanticCustomError(
                    "unknown_condition",
                    "there is no field {name} to filter by; known are {known}",
                    {"name": repr(name[:100]), "known": ", ".join([*known, f"{METADATA}NAME"])},
                )
        return value

    def filter(self) -> Filter:
        """In the same order whatever the order of the fields: a cursor belongs to the filter."""
        found = [*self._leaves(), *self._nested()]
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def values(self) -> int:
        """How many values are compared with; one that compares with none costs as much."""
        own = sum(_values(leaf) for leaf in self._leaves())
        return max(1, own + sum(inner.values() for inner in self._inner()))

    def levels(self) -> int:
        """How deep filters lie within filters."""
        return max((1 + inner.levels() for inner in self._inner()), default=0)

    def _leaves(self) -> Iterator[Filter]:
        if self.prefix:
            prefixes = tuple(KeyPrefix(value) for value in self.prefix.in_)
            yield prefixes[0] if len(prefixes) == 1 else AnyOf(prefixes)
        for text in TEXTS:
            if texts := getattr(self, text):
                yield OneOf(text, tuple(texts.in_))
        for number in get_args(NumberField):
            if bounds := getattr(self, number):
                yield NumberRange(number, **bounds.given())
        for moment in get_args(DateField):
            if bounds := getattr(self, moment):
                yield DateRange(moment, **bounds.given())
        for name, texts in sorted((self.model_extra or {}).items()):
            yield MetadataOneOf(name.removeprefix(METADATA), tuple(texts.in_))

    def _nested(self) -> Iterator[Filter]:
        if self.and_:
            yield AllOf(tuple(inner.filter() for inner in self.and_))
        if self.or_:
            yield AnyOf(tuple(inner.filter() for inner in self.or_))
        if self.not_:
            yield Not(self.not_.filter())

    def _inner(self) -> Iterator["PostedFilter"]:
        yield from self.and_ or ()
        yield from self.or_ or ()
        if self.not_:
            yield self.not_


def _values(leaf: Filter) -> int:
    match leaf:
        case OneOf(values=values) | MetadataOneOf(values=values):
            return len(values)
        case AnyOf(filters):
            return len(filters)
        case NumberRange() | DateRange():
            bounds = (leaf.gte, leaf.gt, leaf.lte, leaf.lt)
            return sum(bound is not None for bound in bounds)
    return 1


def _within_limits(filter: PostedFilter) -> PostedFilter:
    if (levels := filter.levels()) > MAX_LEVELS:
        raise _too_much(f"it is {levels} levels deep, over {MAX_LEVELS}")
    if (values := filter.values()) > MAX_VALUES:
        raise _too_much(f"it compares with {values} values, over {MAX_VALUES}")
    return filter


def _too_much(message: str) -> PydanticCustomError:
    return PydanticCustomError("too_much", "{message}", {"message": message})


SearchFilter: TypeAlias = Annotated[
    PostedFilter,
    AfterValidator(_within_limits),
    Field(
        description=f"Only images for which it holds: up to {MAX_VALUES} values, and {MAX_LEVELS}"
        " levels of `and`, `or` and `not`. It is applied during the search, not after."
    ),
]
