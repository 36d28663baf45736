"""What can be posted to search."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.queries import (
    MAX_TERMS,
    ImageQuery,
    MixedQuery,
    Part,
    Query,
    Search,
    StoredQuery,
    Term,
    TextQuery,
    UrlQuery,
    parts,
)
from imagesearch.paging import MAX_LIMIT
from imagesearch.search.query_encoder import MAX_TEXT

from ..parameters import LIMIT, MAX_COLLECTION, MAX_CURSOR
from ..requests import Base64, Body, ImageUrl, bounded
from .search_filters import EXAMPLE, SearchFilter

MAX_WEIGHT = 100
MAX_SEARCHES = 32
# Each takes tens of milliseconds, a hostile one far more: together they must end in time.
MAX_IMAGES = 32


class PostedPart(BaseModel):
    """Exactly one of these."""

    model_config = ConfigDict(extra="forbid")
    _choices: ClassVar[tuple[str, ...]] = ("text", "image", "id", "url")

    text: Annotated[
        str | None, Field(min_length=1, max_length=MAX_TEXT, description="What to find, in words.")
    ] = None
    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image, itself left out.")] = None
    url: ImageUrl | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "PostedPart":
        if sum(getattr(self, name) is not None for name in self._choices) != 1:
            message = f"Input should have exactly one of {', '.join(self._choices)}"
            raise PydanticCustomError("one_of", message)
        return self

    def part(self) -> Part:
        """Raises PayloadTooLarge."""
        if self.text is not None:
            return TextQuery(self.text)
        if self.image is not None:
            return ImageQuery(bounded(self.image))
        return StoredQuery(self.id) if self.id is not None else UrlQuery(self.url or "")


class PostedTerm(PostedPart):
    """Exactly one of `text`, `image`, `id`, `url`, and how much it counts."""

    weight: Annotated[
        float,
        Field(
            strict=True,
            ge=-MAX_WEIGHT,
            le=MAX_WEIGHT,
            allow_inf_nan=False,
            description="A negative one pushes away. What is named by id with a positive one is"
            " left out of the hits.",
        ),
    ] = 1.0


class PostedQuery(PostedPart):
    """Exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})
    _choices: ClassVar[tuple[str, ...]] = (*PostedPart._choices, "terms")

    terms: Annotated[
        list[PostedTerm] | None,
        Field(
            min_length=1,
            max_length=MAX_TERMS,
            description="A mixture: the weighted sum of what each term means.",
        ),
    ] = None

    def query(self) -> Query:
        """Raises PayloadTooLarge."""
        if self.terms is None:
            return self.part()
        return MixedQuery(tuple(Term(term.part(), term.weight) for term in self.terms))


class PostedSearch(BaseModel):
    """A search; fields that are left out are as they are described."""

    model_config = ConfigDict(extra="forbid")

    query: PostedQuery
    limit: Annotated[
        int, Field(strict=True, ge=1, le=MAX_LIMIT, description="How many on this page.")
    ] = LIMIT
    cursor: Annotated[
        str | None, Field(max_length=MAX_CURSOR, description="The cursor of the page before.")
    ] = None
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection."),
    ] = None
    filter: SearchFilter | None = None
    min_relevance: Annotated[
        float | None,
        Field(strict=True, ge=0, le=1, description="Only hits with at least this relevance."),
    ] = None

    def search(self) -> Search:
        """Raises PayloadTooLarge."""
        return Search(
            self.query.query(),
            self.limit,
            self.cursor,
            self.collection or None,
            self.filter.filter() if self.filter else None,
            self.min_relevance,
        )


class PostedBatch(BaseModel):
    """Several searches, each as it would be posted alone."""

    model_config = ConfigDict(extra="forbid")

    searches: Annotated[
        list[PostedSearch],
        Field(min_length=1, max_length=MAX_SEARCHES, description="Each as it is posted alone."),
    ]

    @model_validator(mode="after")
    def _has_few_images(self) -> "PostedBatch":
        queries = [search.query.query() for search in self.searches]
        images = sum(isinstance(part, ImageQuery) for each in queries for part in parts(each))
        if images > MAX_IMAGES:
            raise PydanticCustomError(
                "too_many_images",
                "Input should have at most {limit} images in all, not {images}",
                {"limit": MAX_IMAGES, "images": images},
            )
        return self


TERMS = [
    {"text": "a dog on a beach"},
    {"text": "people", "weight": -0.5},
]
SEARCH = Body(
    PostedSearch,
    {
        "text": {"query": {"text": "a dog on a beach"}, "limit": 10},
        "filter": {"query": {"text": "a dog on a beach"}, "filter": EXAMPLE},
        "terms": {"query": {"terms": TERMS}},
        "relevant": {"query": {"text": "a dog on a beach"}, "min_relevance": 0.5},
    },
    or_image=True,
)
BATCH = Body(
    PostedBatch,
    {
        "two": {
            "searches": [
                {"query": {"text": "a dog on a beach"}, "limit": 3},
                {"query": {"terms": TERMS}, "filter": {"prefix": "2024/"}},
            ]
        }
    },
)
