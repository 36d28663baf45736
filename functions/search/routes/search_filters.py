"""The filter of a posted search: its conditions, its limits, and its conversion to the domain.

A condition on a field is an object (`{"gte": 1000}`) or a value as its short form.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeAlias, get_args

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError, from_json

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateField,
    DateRange,
    Filter,
    KeyPrefix,
    MetadataContains,
    MetadataOneOf,
    Not,
    NumberField,
    NumberRange,
    OneOf,
    TextField,
)
from imagesearch.domain.folders import folder_of
from imagesearch.domain.images import Orientation

MAX_VALUES = 100
MAX_VALUE = 2_048
MAX_LEVELS = 5
# Conditions on metadata: OpenSearch evaluates each as a query of its own.
MAX_METADATA = 16
# The names and elements of a filter in JSON: a range of two bounds has three, and its object one.
MAX_NODES = 10 * MAX_VALUES
MAX_FILTER = 8_192
# The maximum of OpenSearch's type integer: https://docs.opensearch.org/latest/mappings/supported-field-types/numeric/
MAX_NUMBER = 2**31 - 1
METADATA = "metadata."
TEXTS: tuple[TextField, ...] = ("collection", "content_type", "orientation")
EXAMPLE = {
    "prefix": "2024/",
    "width": {"gte": 1000},
    "taken_at": {"gte": "2024-01-01", "lt": "2024-07-01T12:00:00Z"},
    "metadata.camera": {"contains": "canon"},
    "not": {"content_type": "image/gif"},
}
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


def _shapes(texts: OneOfTexts) -> OneOfTexts:
    for value in texts.in_:
        if value not in list(Orientation):
            message = "Input should be {known}"
            raise PydanticCustomError("orientation", message, {"known": " or ".join(Orientation)})
    return texts


MetadataCondition: TypeAlias = Annotated[
    MetadataTexts, BeforeValidator(_texts, json_schema_input_type=Value | Values | MetadataTexts)
]


def _metadata_by_pattern(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {f"^{METADATA[:-1]}\\..+": schema["additionalProperties"]}
    schema["additionalProperties"] = False
    schema["examples"] = [EXAMPLE]


class PostedFilter(BaseModel):
    """Conditions that an image must all meet.

    A string field equals one of the given values; a number or time equals the value or is within
    the range. `metadata.NAME` is an entry of the image's user metadata, which also can be matched
    by a part of it (`contains`). Times without a zone are UTC, and a date, a month or a year is a
    whole one. An image without the field does not match.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_metadata_by_pattern)
    __pydantic_extra__: dict[str, MetadataCondition] = Field(init=False)

    prefix: Annotated[
        Texts | None,
        Field(description='Prefix of the key: a folder ("2024/") or any other string.'),
    ] = None
    collection: Annotated[
        Texts | None, Field(description='Collection: a folder, such as "cats" or "cats/kittens".')
    ] = None
    content_type: Annotated[
        Texts | None, Field(description="Media type of the file.", examples=["image/jpeg"])
    ] = None
    width: Annotated[Numbers | None, Field(description="Width in pixels, as displayed.")] = None
    height: Annotated[Numbers | None, Field(description="Height in pixels, as displayed.")] = None
    pixels: Annotated[Numbers | None, Field(description="Number of pixels.")] = None
    orientation: Annotated[
        Annotated[Texts, AfterValidator(_shapes)] | None,
        Field(description="Shape as displayed.", examples=list(Orientation)),
    ] = None
    size: Annotated[Numbers | None, Field(description="File size in bytes.")] = None
    latitude: Annotated[
        Coordinate | None, Field(description="Latitude in degrees; north is positive.")
    ] = None
    longitude: Annotated[
        Coordinate | None, Field(description="Longitude in degrees; east is positive.")
    ] = None
    taken_at: Annotated[Times | None, Field(description="When the image was taken.")] = None
    indexed_at: Annotated[Times | None, Field(description="When the image was indexed.")] = None
    last_modified: Annotated[Times | None, Field(description="When the object was uploaded.")] = (
        None
    )
    and_: Annotated[
        list["PostedFilter"] | None,
        Field(
            alias="and",
            min_length=1,
            max_length=MAX_VALUES,
            description="Filters that must all match.",
        ),
    ] = None
    or_: Annotated[
        list["PostedFilter"] | None,
        Field(
            alias="or",
            min_length=1,
            max_length=MAX_VALUES,
            description="Filters of which at least one must match.",
        ),
    ] = None
    not_: Annotated[
        "PostedFilter | None", Field(alias="not", description="A filter that must not match.")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, value: object) -> object:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in value if isinstance(value, Mapping) else ():
            if name not in known and not (name.startswith(METADATA) and name != METADATA):
                raise PydanticCustomError(
                    "unknown_condition",
                    "unknown filter field {name}; use one of {known}",
                    {"name": repr(name[:100]), "known": ", ".join([*known, f"{METADATA}NAME"])},
                )
        return value

    def filter(self) -> Filter:
        """The domain filter. Its order does not depend on that of the fields, so that cursors of
        equal filters are interchangeable."""
        filters = [*self._leaves(), *self._nested()]
        return filters[0] if len(filters) == 1 else AllOf(tuple(filters))

    def values(self) -> int:
        """The number of values compared; an empty filter counts as one."""
        own = sum(_values(leaf) for leaf in self._leaves())
        return max(1, own + sum(child.values() for child in self._children()))

    def contained(self) -> int:
        """The number of texts of `contains`, each of which is sought in every value."""
        leaves = (leaf for leaf in self._leaves() if isinstance(leaf, MetadataContains))
        own = sum(len(leaf.texts) for leaf in leaves)
        return own + sum(child.contained() for child in self._children())

    def levels(self) -> int:
        """The depth of nested filters; 0 without any."""
        return max((1 + child.levels() for child in self._children()), default=0)

    def _leaves(self) -> Iterator[Filter]:
        if self.prefix:
            prefixes = tuple(KeyPrefix(value) for value in self.prefix.in_)
            yield prefixes[0] if len(prefixes) == 1 else AnyOf(prefixes)
        for text in TEXTS:
            if texts := getattr(self, text):
                yield (
                    _in_collections(texts.in_)
                    if text == "collection"
                    else OneOf(text, tuple(texts.in_))
                )
        for number in get_args(NumberField):
            if bounds := getattr(self, number):
                yield NumberRange(number, **bounds.bounds())
        for moment in get_args(DateField):
            if bounds := getattr(self, moment):
                yield DateRange(moment, **bounds.bounds())
        for name, texts in sorted((self.model_extra or {}).items()):
            yield texts.leaf(name.removeprefix(METADATA))

    def _nested(self) -> Iterator[Filter]:
        if self.and_:
            yield AllOf(tuple(child.filter() for child in self.and_))
        if self.or_:
            yield AnyOf(tuple(child.filter() for child in self.or_))
        if self.not_:
            yield Not(self.not_.filter())

    def _children(self) -> Iterator["PostedFilter"]:
        yield from self.and_ or ()
        yield from self.or_ or ()
        if self.not_:
            yield self.not_


def _in_collections(names: list[str]) -> Filter:
    """A nested collection is a prefix of the key."""
    nested = [KeyPrefix(folder_of(name)) for name in names if "/" in name]
    first = tuple(name for name in names if "/" not in name)
    if not nested:
        return OneOf("collection", first)
    return AnyOf((*([OneOf("collection", first)] if first else []), *nested))


def _values(leaf: Filter) -> int:
    match leaf:
        case OneOf(values=values) | MetadataOneOf(values=values):
            return len(values)
        case MetadataContains(texts=texts):
            return len(texts)
        case AnyOf(filters):
            return len(filters)
        case NumberRange() | DateRange():
            bounds = (leaf.gte, leaf.gt, leaf.lte, leaf.lt)
            return sum(bound is not None for bound in bounds)
    return 1


def _is_bounded(value: object) -> object:
    """Check the size of a filter in JSON before objects are made of it."""
    nodes = metadata = 0
    pending = [(value, 0)]
    while pending:
        one, level = pending.pop()
        if level > MAX_LEVELS:
            raise _too_large(f"too many levels of nesting; the maximum is {MAX_LEVELS}")
        if not isinstance(one, Mapping | list):
            continue
        nodes += len(one)
        if nodes > MAX_NODES:
            raise _too_large(f"more than {MAX_NODES} names and values; the maximum is {MAX_VALUES}")
        if isinstance(one, list):
            pending += [(each, level) for each in one]
            continue
        metadata += sum(str(name).startswith(METADATA) for name in one)
        if metadata > MAX_METADATA:
            raise _too_large(f"more than {MAX_METADATA} conditions on metadata")
        pending += [(each, level + (name in _NESTED)) for name, each in one.items()]
    return value


_NESTED = ("and", "or", "not")


def _within_limits(filter: PostedFilter) -> PostedFilter:
    if (levels := filter.levels()) > MAX_LEVELS:
        raise _too_large(f"{levels} levels of nesting; the maximum is {MAX_LEVELS}")
    if (values := filter.values()) > MAX_VALUES:
        raise _too_large(f"{values} values; the maximum is {MAX_VALUES}")
    return filter


def _too_large(message: str) -> PydanticCustomError:
    return PydanticCustomError("too_large", "{message}", {"message": message})


SearchFilter: TypeAlias = Annotated[
    PostedFilter,
    BeforeValidator(_is_bounded, json_schema_input_type=PostedFilter),
    AfterValidator(_within_limits),
    Field(
        description=f"Only images that match: up to {MAX_VALUES} values, {MAX_METADATA} conditions"
        f" on metadata, and {MAX_LEVELS} levels of `and`, `or` and `not`. The filter is applied"
        " during the search, not to its results."
    ),
]
FilterParameter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=MAX_FILTER,
        description="Filter in JSON, as in the body of `POST /v1/search`.",
        examples=['{"orientation": "portrait"}'],
    ),
]


class _FilterField(BaseModel):
    filter: SearchFilter


def parsed_filter(text: str | None) -> Filter | None:
    """The filter of a parameter. Raises ValidationError, InvalidQuery."""
    if not text:
        return None
    try:
        value = from_json(text)
    except ValueError as error:
        raise InvalidQuery(
            f"filter: {error}", "send a JSON object, percent-encoded", "invalid_filter"
        ) from error
    return _FilterField.model_validate({"filter": value}).filter.filter()
