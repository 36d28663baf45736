"""What can be posted to search.

The shape of what a search answers.

Searching over HTTP: parse, call the use case, shape the answer.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.queries import (
    MAX_TERMS,
    Hit,
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
from imagesearch.search.searcher import SearchAnswer

from ..request_log import short_digest
from ..requests import (
    LIMIT,
    MAX_COLLECTION,
    MAX_CURSOR,
    Base64,
    Body,
    Collection,
    CursorParameter,
    ImageId,
    ImageUrl,
    Limit,
    MinRelevance,
    Text,
    bounded,
    is_json,
    posted_image,
    posted_json,
    require_json,
    without_parameters,
)
from ..responses import (
    Answer,
    Cursor,
    Degrees,
    Failure,
    Id,
    Key,
    Metadata,
    Moment,
    ThumbnailUrl,
    Truncated,
    Url,
    answer,
    place_of,
    refusal,
    truncated,
)
from ..routing import (
    AWAY,
    JSON_AWAY,
    MISSING,
    UNREADABLE,
    Dependencies,
    ImageUrls,
    LogFields,
    Operation,
)
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

    def part(self) -> LeafQuery:
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
        leaves = [leaf for each in queries for leaf in leaf_queries(each)]
        images = sum(isinstance(leaf, ImageQuery) for leaf in leaves)
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


class Took(Answer):
    """Milliseconds."""

    embed: Annotated[float, Field(description="Making vectors of the query.")]
    search: Annotated[float, Field(description="Asking the index.")]
    total: Annotated[float, Field(description="All of it, within the function.")]


class FoundImage(Answer):
    id: Id
    key: Key
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity to the query.")]
    relevance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Whether it stands out for this query, comparable between queries; 0.5 is"
            " where right and wrong hits part. Null where the model is not calibrated.",
        ),
    ]
    url: Url
    thumbnail_url: ThumbnailUrl
    width: Annotated[int | None, Field(description="Pixels, as displayed.")]
    height: Annotated[int | None, Field(description="Pixels, as displayed.")]
    content_type: Annotated[
        str | None, Field(description="What its bytes are, whatever its name says.")
    ]
    taken_at: Annotated[Moment | None, Field(description="When the camera says it was taken.")]
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata


class SearchResult(Answer):
    """Hits, nearest first."""

    search_id: Annotated[str, Field(description="What feedback names, for a day.")]
    model: Annotated[str, Field(description="The model that embedded the query.")]
    took_ms: Took
    hits: Annotated[list[FoundImage], Field(description="Nearest first.")]
    cursor: Cursor


class BatchResult(Answer):
    """An answer for each search, in their order; `took_ms` is that of all together."""

    results: Annotated[
        list[SearchResult | Failure], Field(description="In the order of the searches.")
    ]


def batch_result(
    found: Sequence[SearchAnswer | ImageSearchError], addresses: ImageUrls
) -> BatchResult:
    return BatchResult(
        results=[
            refusal(one) if isinstance(one, ImageSearchError) else search_result(one, addresses)
            for one in found
        ]
    )


def search_result(found: SearchAnswer, addresses: ImageUrls) -> SearchResult:
    took = found.took_ms
    return SearchResult(
        search_id=found.search_id,
        model=found.model,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        hits=[found_image(hit, addresses) for hit in found.hits],
        cursor=found.cursor,
    )


def found_image(hit: Hit, addresses: ImageUrls) -> FoundImage:
    document = hit.document
    return FoundImage(
        id=document.id,
        key=document.ref.key,
        score=max(-1.0, min(1.0, round(hit.score, 6))),
        relevance=hit.relevance if hit.relevance is None else round(hit.relevance, 4),
        url=addresses.image(document),
        thumbnail_url=addresses.thumbnail(document),
        width=document.width,
        height=document.height,
        content_type=document.content_type,
        taken_at=document.taken_at,
        metadata=dict(document.metadata),
        **place_of(document),
        **truncated(document),
    )


PAGES = """Up to `limit` hits, nearest first. `cursor` of the answer gets the next page of the same
search; every match comes once, to a depth of 1,000 hits. With `min_relevance`, what does not stand
out for the query is left out, and a query that nothing fits has no hits."""
POSTED = f"""{PAGES}

Send JSON, or the bytes of an image; beside image bytes, `limit`, `cursor`, `collection` and
`min_relevance` are parameters."""
BATCHED = f"""Up to {MAX_SEARCHES} searches in one request, with up to {MAX_IMAGES} images in all.

The answers are in the order of the searches. A body that is not as described is refused as a
whole, and `message` names the search. A search that fails by itself (an id that is not there, an
image that cannot be decoded) has an `error` in its place."""
BY_WORDS = "Find images by words"
BY_ANYTHING = "Find images by words, by an image, by an indexed image, or by a mixture of these"
MANY = "Several searches at once"
SIMILAR = "The neighbours of an indexed image, itself left out"


class Searches:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._dependencies = dependencies
        self._note = note

    def operations(self) -> list[Operation]:
        get, post = partial(Operation, "GET"), partial(Operation, "POST")
        path, similar = "/v1/search", "/v1/images/<id>/similar"
        batch = "/v1/search/batch"
        return [
            get(path, self.search_text, SearchResult, BY_WORDS, AWAY, PAGES),
            post(path, self.search_posted, SearchResult, BY_ANYTHING, UNREADABLE, POSTED, SEARCH),
            post(batch, self.search_batch, BatchResult, MANY, JSON_AWAY, BATCHED, BATCH),
            get(similar, self.similar, SearchResult, SIMILAR, MISSING, PAGES),
        ]

    def search_text(
        self,
        q: Text,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        return self._search(
            Search(TextQuery(q), limit, cursor, collection or None, min_relevance=min_relevance)
        )

    def search_posted(
        self,
        request: Request,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        event = request.resolved_event
        if not is_json(event.headers.get("content-type", "")):
            image = ImageQuery(posted_image(event))
            return self._search(
                Search(image, limit, cursor, collection or None, min_relevance=min_relevance)
            )
        without_parameters(request)
        return self._search(posted_json(event, PostedSearch).search())

    def search_batch(self, request: Request) -> Response[Any]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, PostedBatch)
        found = self._dependencies.searcher.search_many([each.search() for each in posted.searches])
        answered = [each for each in found if isinstance(each, SearchAnswer)]
        self._note(searches=len(found), hits=sum(len(each.hits) for each in answered))
        return answer(batch_result(found, self._dependencies.addresses))

    def similar(
        self,
        id: ImageId,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        return self._search(
            Search(StoredQuery(id), limit, cursor, collection or None, min_relevance=min_relevance)
        )

    def _search(self, search: Search) -> Response[Any]:
        found = self._dependencies.searcher.search(search)
        took = found.took_ms
        self._note(search=short_digest(found.search_id), hits=len(found.hits))
        self._note(embed_ms=took.embed)
        self._note(search_ms=took.search)
        return answer(search_result(found, self._dependencies.addresses))
