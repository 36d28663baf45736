"""The filter that narrows a posted search: its fields, its limits, and what it means."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
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

from ..searches.conditions import MAX_VALUES, Numbers, Place, Texts, Times

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
