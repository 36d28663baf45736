"""Search routes: by text, by image, by an indexed image, by a mixture, and in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.errors import ImageSearchError, PayloadTooLarge
from imagesearch.domain.queries import (
    MAX_TERMS,
    Hit,
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
from imagesearch.search.searcher import SearchAnswer

from ..request_log import short_digest
from ..requests import (
    EXAMPLE_IMAGE,
    FEEDBACK,
    LIMIT,
    MAX_COLLECTION,
    MAX_CURSOR,
    SORTED,
    Base64,
    Collection,
    CursorParameter,
    HitSort,
    ImageId,
    ImageUrl,
    Limit,
    MinRelevance,
    RequestBody,
    Text,
    WithFeedback,
    check_image_size,
    is_json,
    posted_image,
    posted_json,
    reject_parameters,
    require_json,
)
from ..responses import (
    MAX_RESPONSE_BYTES,
    Cursor,
    Degrees,
    Failure,
    Id,
    Key,
    LargeThumbnailUrl,
    Metadata,
    Moment,
    ResponseModel,
    TakenOffset,
    ThumbnailUrl,
    Truncated,
    Url,
    error_body,
    escaped_bytes,
    json_response,
    location_fields,
    offset_field,
    rounded_cosine,
    truncated_field,
)
from ..routing import (
    IMAGE_ERRORS,
    JSON_ERRORS,
    NOT_FOUND,
    UNAVAILABLE,
    Dependencies,
    ImageUrls,
    LogFields,
    Operation,
)
from .search_filters import (
    MAX_VALUES,
    FilterParameter,
    SearchFilter,
    parsed_filter,
)

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
BY_TEXT = "Search by text"
BY_ANYTHING = "Search by text, by image, by an indexed image, or by a mixture of these"
BATCHED = "Run several searches in one request"
SIMILAR = "Find images similar to an indexed image"
PAGES = """Returns up to `limit` hits, most similar first. Send the `cursor` of the response to get
the next page of the same search; each image appears once, and pages end at 1,000 hits. With
`min_relevance`, irrelevant images are excluded, and a query that no image matches has no hits."""
OPINIONS = """`like` and `unlike` refine a query by images that the user liked and disliked: send
them with each further request of the same search. An unknown ID is an error."""
POSTED = f"""{PAGES}

{OPINIONS}

The body is JSON or the bytes of an image. With an image as the body, `limit`, `cursor`,
`collection`, `min_relevance`, `filter` and `sort` are query parameters."""
BATCH_RULES = f"""Up to {MAX_SEARCHES} searches per request, with up to {MAX_IMAGES} images in
total. The sum of all `limit` is at most {MAX_BATCH_HITS}. Filters have up to {MAX_VALUES} texts of
`contains` in total.

Results are in the order of the searches. An invalid body is rejected as a whole, and `message`
names the search. A search that fails on its own (an unknown ID, an image that cannot be decoded)
has an `error` as its result, and so have the searches after the first {MAX_RESPONSE_BYTES:,} bytes
of a response with very long records (`response_too_large`): send them in another request."""


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


class Took(ResponseModel):
    """Durations in milliseconds."""

    embed: Annotated[float, Field(description="Embedding the query.")]
    search: Annotated[float, Field(description="Searching the index.")]
    total: Annotated[float, Field(description="Total time in the function.")]


class FoundImage(ResponseModel):
    id: Id
    key: Key
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity to the query.")]
    relevance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Relevance to the query, comparable between queries; 0.5 separates relevant"
            " images from others. Null if the model is not calibrated.",
        ),
    ]
    url: Url
    thumbnail_url: ThumbnailUrl
    large_thumbnail_url: LargeThumbnailUrl = None
    width: Annotated[int | None, Field(description="Width in pixels, as displayed.")]
    height: Annotated[int | None, Field(description="Height in pixels, as displayed.")]
    content_type: Annotated[
        str | None, Field(description="Media type, detected from the bytes of the file.")
    ]
    taken_at: Annotated[
        Moment | None, Field(description="When the image was taken, from its EXIF data.")
    ]
    taken_offset: TakenOffset = None
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata


class SearchResult(ResponseModel):
    """Hits by descending similarity."""

    search_id: Annotated[
        str | None,
        Field(
            description="Identifies the search in feedback, valid for one day; absent without"
            " `feedback`."
        ),
    ] = None
    model: Annotated[str, Field(description="Model that embedded the query.")]
    adapter: Annotated[
        str | None,
        Field(
            description="Query adapter, fitted on feedback, that was applied to the query; null if"
            " none is in use."
        ),
    ]
    took_ms: Took
    hits: Annotated[list[FoundImage], Field(description="Most similar image first.")]
    cursor: Cursor
    notice: Annotated[
        str | None,
        Field(
            description="A sentence for the user if a text of the query is not in a language that"
            " the model understands; otherwise absent. Queries in other scripts are detected, and"
            " most in twelve languages with Latin script."
        ),
    ] = None


class BatchResult(ResponseModel):
    """One result per search, in the order of the request; `took_ms` is that of the whole batch."""

    results: Annotated[
        list[SearchResult | Failure], Field(description="In the order of the searches.")
    ]


_TOO_LARGE = PayloadTooLarge(
    "the results of the searches before fill the response",
    "send this search in another request",
    "response_too_large",
)
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


class SearchRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._dependencies = dependencies
        self._log = log

    def operations(self) -> list[Operation]:
        get, post = partial(Operation, "GET"), partial(Operation, "POST")
        path, similar = "/v1/search", "/v1/images/<id>/similar"
        batch = "/v1/search/batch"
        return [
            get(path, self.search_text, SearchResult, BY_TEXT, UNAVAILABLE, PAGES),
            post(path, self.search_posted, SearchResult, BY_ANYTHING, IMAGE_ERRORS, POSTED, SEARCH),
            post(batch, self.search_batch, BatchResult, BATCHED, JSON_ERRORS, BATCH_RULES, BATCH),
            get(similar, self.similar, SearchResult, SIMILAR, NOT_FOUND, PAGES),
        ]

    def search_text(
        self,
        q: Text,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
        filter: FilterParameter = None,
        sort: HitSort = "relevance",
        feedback: WithFeedback = False,
    ) -> Response[Any]:
        asked = AskedSearch(limit, cursor, collection, min_relevance, filter, sort, feedback)
        return self._search(asked.search(TextQuery(q)))

    def search_posted(
        self,
        request: Request,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
        filter: FilterParameter = None,
        sort: HitSort = "relevance",
        feedback: WithFeedback = False,
    ) -> Response[Any]:
        event = request.resolved_event
        if not is_json(event.headers.get("content-type", "")):
            asked = AskedSearch(limit, cursor, collection, min_relevance, filter, sort, feedback)
            return self._search(asked.search(ImageQuery(posted_image(event))))
        reject_parameters(request)
        return self._search(posted_json(event, PostedSearch).search())

    def search_batch(self, request: Request) -> Response[Any]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, PostedBatch)
        results = self._dependencies.searcher.search_many(
            [each.search() for each in posted.searches]
        )
        succeeded = [each for each in results if isinstance(each, SearchAnswer)]
        self._log(searches=len(results), hits=sum(len(each.hits) for each in succeeded))
        return json_response(_batch_result(results, self._dependencies.image_urls))

    def similar(
        self,
        id: ImageId,
        limit: Limit = LIMIT,
        cursor: CursorParameter = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
        filter: FilterParameter = None,
        sort: HitSort = "relevance",
        feedback: WithFeedback = False,
    ) -> Response[Any]:
        asked = AskedSearch(limit, cursor, collection, min_relevance, filter, sort, feedback)
        return self._search(asked.search(StoredQuery(id)))

    def _search(self, search: Search) -> Response[Any]:
        result = self._dependencies.searcher.search(search)
        took = result.took_ms
        if result.search_id:
            self._log(search=short_digest(result.search_id))
        self._log(
            hits=len(result.hits),
            embed_ms=took.embed,
            search_ms=took.search,
        )
        return json_response(_search_result(result, self._dependencies.image_urls))


def found_image(hit: Hit, urls: ImageUrls) -> FoundImage:
    document = hit.document
    return FoundImage(
        id=document.id,
        key=document.ref.key,
        score=rounded_cosine(hit.score),
        relevance=None if hit.relevance is None else round(hit.relevance, 4),
        **urls.fields(document),
        width=document.width,
        height=document.height,
        content_type=document.content_type,
        taken_at=document.taken_at,
        metadata=dict(document.metadata),
        **offset_field(document),
        **location_fields(document),
        **truncated_field(document),
    )


def _search_result(result: SearchAnswer, urls: ImageUrls) -> SearchResult:
    took = result.took_ms
    return SearchResult(
        **({"search_id": result.search_id} if result.search_id else {}),
        model=result.model,
        adapter=result.adapter,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        hits=[found_image(hit, urls) for hit in result.hits],
        cursor=result.cursor,
        **({"notice": result.notice} if result.notice else {}),
    )


def _batch_result(
    results: Sequence[SearchAnswer | ImageSearchError], urls: ImageUrls
) -> BatchResult:
    """The results that fit into a response, in their order; an error for each of the others."""
    shaped: list[SearchResult | Failure] = []
    size = 0
    for each in results:
        one = each if isinstance(each, ImageSearchError) else _search_result(each, urls)
        if isinstance(one, SearchResult):
            size += escaped_bytes(one.model_dump_json(exclude_unset=True))
            if size > MAX_RESPONSE_BYTES:
                one = _TOO_LARGE
        shaped.append(error_body(one) if isinstance(one, ImageSearchError) else one)
    return BatchResult(results=shaped)
