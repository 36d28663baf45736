"""The filter of a search: its fields, its limits, and its conversion to the domain."""

from collections.abc import Iterator, Mapping
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

from .filter_conditions import (
    MAX_VALUES,
    Coordinate,
    MetadataCondition,
    Numbers,
    Shapes,
    Texts,
    Times,
)

MAX_LEVELS = 5
# Conditions on metadata: OpenSearch evaluates each as a query of its own.
MAX_METADATA = 16
# The names and elements of a filter in JSON: a range of two bounds has three, and its object one.
MAX_NODES = 10 * MAX_VALUES
MAX_FILTER = 8_192
METADATA = "metadata."
TEXTS: tuple[TextField, ...] = ("collection", "content_type", "orientation")
EXAMPLE = {
    "prefix": "2024/",
    "width": {"gte": 1000},
    "taken_at": {"gte": "2024-01-01", "lt": "2024-07-01T12:00:00Z"},
    "metadata.camera": {"contains": "canon"},
    "not": {"content_type": "image/gif"},
}


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
        Shapes | None,
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
