"""Searching over HTTP: parse, call the use case, shape the answer."""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.domain.queries import ImageQuery, Search, StoredQuery, TextQuery
from imagesearch.search.searcher import SearchAnswer

from ..operation import AWAY, JSON_AWAY, MISSING, UNREADABLE, Operation
from ..parameters import LIMIT, Collection, Cursor, ImageId, Limit, MinRelevance, Text
from ..request_log import short_digest
from ..requests import is_json, posted_image, posted_json, require_json, without_parameters
from ..responses import answer
from ..routes.search import BATCH, MAX_IMAGES, MAX_SEARCHES, SEARCH, PostedBatch, PostedSearch
from ..routing import Note, Parts
from .answers import BatchResult, SearchResult, batch_result, search_result

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

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts = parts
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
        cursor: Cursor = None,
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
        cursor: Cursor = None,
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
        found = self._parts.searcher.search_many([each.search() for each in posted.searches])
        answered = [each for each in found if isinstance(each, SearchAnswer)]
        self._note(searches=len(found), hits=sum(len(each.hits) for each in answered))
        return answer(batch_result(found, self._parts.addresses))

    def similar(
        self,
        id: ImageId,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
        collection: Collection = None,
        min_relevance: MinRelevance = None,
    ) -> Response[Any]:
        return self._search(
            Search(StoredQuery(id), limit, cursor, collection or None, min_relevance=min_relevance)
        )

    def _search(self, search: Search) -> Response[Any]:
        found = self._parts.searcher.search(search)
        took = found.took_ms
        self._note(search=short_digest(found.search_id), hits=len(found.hits))
        self._note(embed_ms=took.embed)
        self._note(search_ms=took.search)
        return answer(search_result(found, self._parts.addresses))
