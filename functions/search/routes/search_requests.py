"""Request bodies and query parameters of searches, with their limits and examples."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.queries import (
    MAX_TERMS,
    HitOrder,
    ImageQuery,
    LeafQuery,
    MixedQuery,
    Query,
    Search,
    StoredQuery,
    Term,
    TextQuery,
    UrlQuery,
    leaf_queries,
)
from imagesearch.search.pagination import MAX_LIMIT
from imagesearch.search.query_encoder import MAX_TEXT
from imagesearch.search.refinement import MAX_OPINIONS

from ..parameters import FEEDBACK, LIMIT, MAX_COLLECTION, MAX_CURSOR, SORTED
from ..requests import EXAMPLE_IMAGE, Base64, ImageUrl, RequestBody, check_image_size
from .filter_conditions import MAX_VALUES
from .search_filters import SearchFilter, parsed_filter

OpinionId = Annotated[str, Field(min_length=1, max_length=512)]
MAX_WEIGHT = 100
MAX_SEARCHES = 32
MAX_IMAGES = 32
# Hits of all searches of a batch together: with 12 KB each they fit into a response.
MAX_BATCH_HITS = 500
# The examples find sample photos, in the folder samples of the repository.
TERMS = [
    {"text": "an animal"},
    {"text": "a cow", "weight": -0.5},
]
SAMPLE_FILTER = {"prefix": "animals/", "width": {"gte": 200}, "not": {"content_type": "image/gif"}}


class PostedPart(BaseModel):
    """Exactly one of these fields."""

    model_config = ConfigDict(extra="forbid")
    _choices: ClassVar[tuple[str, ...]] = ("text", "image", "id", "url")

    text: Annotated[
        str | None, Field(min_length=1, max_length=MAX_TEXT, description="Text to search for.")
    ] = None
    image: Base64 | None = None
    id: Annotated[
        str | None,
        Field(description="ID of an indexed image; the image itself is excluded from the hits."),
    ] = None
    url: ImageUrl | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "PostedPart":
        if sum(getattr(self, name) is not None for name in self._choices) != 1:
            message = f"Input should have exactly one of {', '.join(self._choices)}"
            raise PydanticCustomError("one_of", message)
        return self

    def leaf_query(self) -> LeafQuery:
        """Raises PayloadTooLarge."""
        if self.text is not None:
            return TextQuery(self.text)
        if self.image is not None:
            return ImageQuery(check_image_size(self.image))
        return StoredQuery(self.id) if self.id is not None else UrlQuery(self.url or "")


class PostedTerm(PostedPart):
    """Exactly one of `text`, `image`, `id` and `url`, with a weight."""

    weight: Annotated[
        float,
        Field(
            strict=True,
            ge=-MAX_WEIGHT,
            le=MAX_WEIGHT,
            allow_inf_nan=False,
            description="Weight of the term; a negative weight moves results away from it. An"
            " image named by `id` with a positive weight is excluded from the hits.",
        ),
    ] = 1.0


class PostedQuery(PostedPart):
    """Exactly one of these fields."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})
    _choices: ClassVar[tuple[str, ...]] = (*PostedPart._choices, "terms")

    terms: Annotated[
        list[PostedTerm] | None,
        Field(
            min_length=1,
            max_length=MAX_TERMS,
            description="Mixed query: the weighted sum of the terms' embeddings.",
        ),
    ] = None

    def query(self) -> Query:
        """Raises PayloadTooLarge."""
        if self.terms is None:
            return self.leaf_query()
        return MixedQuery(tuple(Term(term.leaf_query(), term.weight) for term in self.terms))


class PostedSearch(BaseModel):
    """One search."""

    model_config = ConfigDict(extra="forbid")

    query: PostedQuery
    limit: Annotated[
        int, Field(strict=True, ge=1, le=MAX_LIMIT, description="Maximum number of hits per page.")
    ] = LIMIT
    cursor: Annotated[
        str | None, Field(max_length=MAX_CURSOR, description="`cursor` of the previous page.")
    ] = None
    collection: Annotated[
        str | None,
        Field(
            max_length=MAX_COLLECTION,
            description="Only images of this collection: a folder, such as `cats/kittens`.",
        ),
    ] = None
    filter: SearchFilter | None = None
    min_relevance: Annotated[
        float | None,
        Field(strict=True, ge=0, le=1, description="Minimum relevance of a hit."),
    ] = None
    sort: Annotated[Literal["relevance", "taken_at", "-taken_at"], Field(description=SORTED)] = (
        "relevance"
    )
    feedback: Annotated[bool, Field(strict=True, description=FEEDBACK)] = False
    like: Annotated[
        list[OpinionId],
        Field(
            max_length=MAX_OPINIONS,
            description="IDs of indexed images that the user liked: hits are more similar to them.",
        ),
    ] = []
    unlike: Annotated[
        list[OpinionId],
        Field(
            max_length=MAX_OPINIONS,
            description="IDs of indexed images that the user disliked: hits are less similar to"
            " them, and they are excluded from the hits.",
        ),
    ] = []

    def search(self) -> Search:
        """Raises PayloadTooLarge."""
        return Search(
            self.query.query(),
            self.limit,
            self.cursor,
            self.collection or None,
            self.filter.filter() if self.filter else None,
            self.min_relevance,
            HitOrder(self.sort),
            self.feedback,
            tuple(dict.fromkeys(self.like)),
            tuple(dict.fromkeys(self.unlike)),
        )


@dataclass(frozen=True)
class AskedSearch:
    """The query parameters of a search."""

    limit: int = LIMIT
    cursor: str | None = None
    collection: str | None = None
    min_relevance: float | None = None
    filter: str | None = None
    sort: str = "relevance"
    feedback: bool = False

    def search(self, query: Query) -> Search:
        """Raises ValidationError, InvalidQuery for the filter."""
        return Search(
            query,
            self.limit,
            self.cursor,
            self.collection or None,
            parsed_filter(self.filter),
            self.min_relevance,
            HitOrder(self.sort),
            self.feedback,
        )


class PostedBatch(BaseModel):
    """Several searches in one request."""

    model_config = ConfigDict(extra="forbid")

    searches: Annotated[
        list[PostedSearch],
        Field(
            min_length=1,
            max_length=MAX_SEARCHES,
            description="Each in the format of POST /v1/search; the sum of all `limit` is at most"
            f" {MAX_BATCH_HITS}.",
        ),
    ]

    @model_validator(mode="after")
    def _has_few_hits(self) -> "PostedBatch":
        hits = sum(search.limit for search in self.searches)
        if hits > MAX_BATCH_HITS:
            raise PydanticCustomError(
                "too_many_hits",
                "Input should have a sum of all limits of at most {limit}, not {hits}",
                {"limit": MAX_BATCH_HITS, "hits": hits},
            )
        return self

    @model_validator(mode="after")
    def _contains_few_texts(self) -> "PostedBatch":
        texts = sum(search.filter.contained() for search in self.searches if search.filter)
        if texts > MAX_VALUES:
            raise PydanticCustomError(
                "too_many_texts",
                "Input should have at most {limit} texts of 'contains' in total, not {texts}",
                {"limit": MAX_VALUES, "texts": texts},
            )
        return self

    @model_validator(mode="after")
    def _has_few_images(self) -> "PostedBatch":
        queries = [search.query.query() for search in self.searches]
        leaves = [leaf for each in queries for leaf in leaf_queries(each)]
        images = sum(isinstance(leaf, ImageQuery) for leaf in leaves)
        if images > MAX_IMAGES:
            raise PydanticCustomError(
                "too_many_images",
                "Input should have at most {limit} images in total, not {images}",
                {"limit": MAX_IMAGES, "images": images},
            )
        return self


SEARCH = RequestBody(
    PostedSearch,
    {
        "text": {"query": {"text": "an owl"}, "limit": 10},
        "image": {"query": {"image": EXAMPLE_IMAGE}, "limit": 3},
        "filter": {"query": {"text": "a bird"}, "filter": SAMPLE_FILTER},
        "terms": {"query": {"terms": TERMS}},
        "relevant": {"query": {"text": "the Eiffel Tower"}, "min_relevance": 0.5},
    },
    accepts_image=True,
)
BATCH = RequestBody(
    PostedBatch,
    {
        "two": {
            "searches": [
                {"query": {"text": "an owl"}, "limit": 3},
                {"query": {"terms": TERMS}, "filter": {"prefix": "animals/"}},
            ]
        }
    },
)
