"""Search routes: by text, by image, by an indexed image, by a mixture, and in batches."""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.domain.queries import ImageQuery, Search, StoredQuery, TextQuery
from imagesearch.search.searcher import SearchAnswer

from ..parameters import (
    LIMIT,
    Collection,
    CursorParameter,
    HitSort,
    ImageId,
    Limit,
    MinRelevance,
    Text,
    WithFeedback,
)
from ..request_log import short_digest
from ..requests import is_json, posted_image, posted_json, reject_parameters, require_json
from ..responses import MAX_RESPONSE_BYTES, json_response
from ..routing import (
    IMAGE_ERRORS,
    JSON_ERRORS,
    NOT_FOUND,
    UNAVAILABLE,
    Dependencies,
    LogFields,
    Operation,
)
from .filter_conditions import MAX_VALUES
from .search_filters import FilterParameter
from .search_requests import (
    BATCH,
    MAX_BATCH_HITS,
    MAX_IMAGES,
    MAX_SEARCHES,
    SEARCH,
    AskedSearch,
    PostedBatch,
    PostedSearch,
)
from .search_results import BatchResult, SearchResult, batch_result, search_result

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
        return json_response(batch_result(results, self._dependencies.image_urls))

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
        return json_response(search_result(result, self._dependencies.image_urls))
