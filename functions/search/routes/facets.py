"""Facets and collections: what there is to filter by, with numbers of images."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, TypeAlias

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import Field

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.facets import (
    MAX_MONTHS,
    MAX_VALUES,
    MAX_YEARS,
    PIXEL_BUCKETS,
    Facet,
    FacetName,
    Facets,
)
from imagesearch.domain.folders import FOLDER_LEVELS
from imagesearch.domain.queries import ImageQuery, Search, TextQuery
from imagesearch.search.collection_tree import TreePage, TreeRequest
from imagesearch.search.listing import ListRequest
from imagesearch.search.pagination import MAX_DEPTH
from imagesearch.search.query_encoder import MAX_TEXT

from ..parameters import (
    LIST_LIMIT,
    MAX_COLLECTION,
    Collection,
    CursorParameter,
    Limit,
    ListedStatus,
    MinRelevance,
    Prefix,
)
from ..requests import RequestBody, is_json, posted_image, posted_json, reject_parameters
from ..responses import Cursor, ResponseModel, json_response
from ..routing import IMAGE_ERRORS, UNAVAILABLE, Dependencies, LogFields, Operation
from .search_filters import FilterParameter, parsed_filter
from .search_requests import SEARCH, AskedSearch, PostedSearch

FACETS = "Count the values of a list or of a text search"
FACETS_POSTED = "Count the values of a search by anything"
RULES = f"""`{{field: value}}` of a facet is the filter that selects the images of the value. A
facet has up to {MAX_VALUES} values, the most frequent ones, or the newest {MAX_MONTHS} months and
{MAX_YEARS} years; `others` counts the images with any other value. Facets of a search count its
first {MAX_DEPTH:,} hits; use `min_relevance` to leave irrelevant images out."""
LISTED = f"""Without `q`, the images of `GET /v1/images` with the same parameters are counted.

{RULES}"""
POSTED = f"""The body is that of `POST /v1/search`, JSON or an image; `limit`, `cursor`, `sort`
and `feedback` have no effect.

{RULES}"""
COLLECTIONS = "List the collections as a tree, with their numbers of images"
TREE = f"""Collections below `parent` down to `depth` levels, in the order of their keys: each is
followed by those below it. Collections are nested up to {FOLDER_LEVELS} levels; images below are
counted in the last one."""
FIELDS = {
    FacetName.YEAR: "taken_at",
    FacetName.MONTH: "taken_at",
    FacetName.CAMERA: "metadata.camera",
}
FacetText: TypeAlias = Annotated[
    str | None, Query(min_length=1, max_length=MAX_TEXT, description="Text to search for.")
]
Parent: TypeAlias = Annotated[
    str | None,
    Query(max_length=MAX_COLLECTION, description="Only collections below this one."),
]
Depth: TypeAlias = Annotated[
    int, Query(ge=1, le=FOLDER_LEVELS, description="Number of levels below `parent`.")
]


class Range(ResponseModel):
    """A range of numbers."""

    gte: Annotated[int | None, Field(description="Greater than or equal to.")] = None
    lt: Annotated[int | None, Field(description="Less than.")] = None


class CountedValue(ResponseModel):
    value: Annotated[str | Range, Field(description="Value, as in a filter on the field.")]
    count: Annotated[int, Field(ge=1, description="Number of images with the value.")]


class FacetValues(ResponseModel):
    """The values of one field."""

    field: Annotated[str, Field(description="Field of a filter that selects by a value.")]
    values: Annotated[
        list[CountedValue],
        Field(
            description="Times are newest first, pixels smallest first; other values most frequent"
            " first."
        ),
    ]
    others: Annotated[int, Field(ge=0, description="Number of images with another value.")]
    missing: Annotated[int, Field(ge=0, description="Number of images without a value.")]


class FacetsByName(ResponseModel):
    year: Annotated[FacetValues, Field(description="Year of `taken_at`, in UTC.")]
    month: Annotated[FacetValues, Field(description="Month of `taken_at`, in UTC.")]
    camera: Annotated[FacetValues, Field(description="Camera: `metadata.camera`.")]
    pixels: Annotated[FacetValues, Field(description="Number of pixels.")]
    orientation: Annotated[
        FacetValues, Field(description="`landscape`, `portrait` or `square`, as displayed.")
    ]
    content_type: Annotated[FacetValues, Field(description="Media type of the file.")]
    collection: Annotated[
        FacetValues, Field(description="Collections one level below the requested one.")
    ]


class FacetResult(ResponseModel):
    """Values and counts."""

    images: Annotated[int, Field(ge=0, description="Number of images that were counted.")]
    complete: Annotated[
        bool,
        Field(description=f"False for a search with {MAX_DEPTH:,} hits, which may have more."),
    ]
    facets: Annotated[FacetsByName, Field(description="Values of each field.")]


class CountedCollection(ResponseModel):
    collection: Annotated[str, Field(description="Path, such as `cats/kittens`.")]
    images: Annotated[
        int, Field(ge=1, description="Number of indexed images in it and in those below it.")
    ]
    nested: Annotated[bool, Field(description="True if there are collections below it.")]


class CollectionList(ResponseModel):
    """Collections in the order of their keys."""

    collections: Annotated[list[CountedCollection], Field(description="This page.")]
    cursor: Cursor


class FacetRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._searcher = dependencies.searcher
        self._log = log

    def operations(self) -> list[Operation]:
        get, post = partial(Operation, "GET"), partial(Operation, "POST")
        path, tree = "/v1/facets", "/v1/collections"
        body = RequestBody(PostedSearch, SEARCH.examples, accepts_image=True)
        return [
            get(path, self.facets, FacetResult, FACETS, UNAVAILABLE, LISTED),
            post(path, self.facets_posted, FacetResult, FACETS_POSTED, IMAGE_ERRORS, POSTED, body),
            get(tree, self.collections, CollectionList, COLLECTIONS, UNAVAILABLE, TREE),
        ]

    def facets(
        self,
        q: FacetText = None,
        status: ListedStatus = None,
        collection: Collection = None,
        prefix: Prefix = None,
        filter: FilterParameter = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        if q is None:
            listed = ListRequest(
                status, collection or None, prefix or None, filter=parsed_filter(filter)
            )
            _reject("send it with q", min_relevance=min_relevance)
            found = self._searcher.list_facets(listed.selection)
            return self._response(found, complete=True)
        _reject("send a filter with q", status=status, prefix=prefix)
        asked = AskedSearch(collection=collection, min_relevance=min_relevance, filter=filter)
        return self._of_search(asked.search(TextQuery(q)))

    def facets_posted(
        self,
        request: Request,
        collection: Collection = None,
        filter: FilterParameter = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        event = request.resolved_event
        if is_json(event.headers.get("content-type", "")):
            reject_parameters(request)
            return self._of_search(posted_json(event, PostedSearch).search())
        asked = AskedSearch(collection=collection, min_relevance=min_relevance, filter=filter)
        return self._of_search(asked.search(ImageQuery(posted_image(event))))

    def collections(
        self,
        parent: Parent = None,
        depth: Depth = 1,
        cursor: CursorParameter = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        page = self._searcher.collections(TreeRequest(parent or None, depth, cursor, limit))
        self._log(collections=len(page.collections))
        return json_response(_collection_list(page))

    def _of_search(self, search: Search) -> Response[Any]:
        found = self._searcher.search_facets(search)
        return self._response(found.facets, complete=found.complete)

    def _response(self, facets: Facets, *, complete: bool) -> Response[Any]:
        self._log(images=facets.images)
        by_name = {name: _facet_values(name, each) for name, each in facets.by_name.items()}
        return json_response(
            FacetResult(images=facets.images, complete=complete, facets=FacetsByName(**by_name))
        )


def _facet_values(name: FacetName, facet: Facet) -> FacetValues:
    values = [
        CountedValue(value=_range(value) if name is FacetName.PIXELS else value, count=count)
        for value, count in facet.values
    ]
    return FacetValues(
        field=FIELDS.get(name, name.value),
        values=values,
        others=facet.others,
        missing=facet.missing,
    )


def _range(bucket: str) -> Range:
    bounds = asdict(PIXEL_BUCKETS[int(bucket)])
    return Range(**{name: bound for name, bound in bounds.items() if bound is not None})


def _collection_list(page: TreePage) -> CollectionList:
    collections = [
        CountedCollection(collection=each.path, images=each.images, nested=each.nested)
        for each in page.collections
    ]
    return CollectionList(collections=collections, cursor=page.cursor)


def _reject(hint: str, **parameters: object) -> None:
    """Raises InvalidQuery for a parameter that would be ignored."""
    for name, value in parameters.items():
        if value is not None:
            raise InvalidQuery(f"{name} does not apply to these facets", hint, "invalid_query")
