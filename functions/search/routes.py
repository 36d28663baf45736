"""The functions behind the operations: parse, call one use case, shape the answer."""

from typing import Any, Protocol

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.errors import InvalidQuery
from imagesearch.ports import ChangeQueue, ImageStore
from imagesearch.queries import Search, StoredQuery, TextQuery
from imagesearch.searching import Searcher

from .bodies import body_bytes, is_json, posted_image, posted_json
from .pages import search_page
from .parameters import (
    LIMIT,
    LIST_LIMIT,
    Collection,
    Cursor,
    ImageId,
    Limit,
    ListedStatus,
    Text,
)
from .shaping import answer, health, image_list, image_record, search_result


class Note(Protocol):
    """Where facts of a request are left for its line in the log."""

    def __call__(self, **facts: object) -> None: ...


class Routes:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(
        self, searcher: Searcher, store: ImageStore, note: Note, queue: ChangeQueue | None = None
    ) -> None:
        self._searcher = searcher
        self._store = store
        self._note = note
        self._queue = queue

    def search_text(
        self,
        q: Text,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
        collection: Collection = None,
    ) -> Response[Any]:
        return self._search(Search(TextQuery(q), limit, cursor, collection or None))

    def search_posted(
        self,
        request: Request,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
        collection: Collection = None,
    ) -> Response[Any]:
        event = request.resolved_event
        if not is_json(event.headers.get("content-type", "")):
            image = posted_image(body_bytes(event))
            return self._search(Search(image, limit, cursor, collection or None))
        if request.query_parameters:
            raise InvalidQuery(
                "a search in JSON has no parameters beside it", "put them into the body"
            )
        return self._search(posted_json(body_bytes(event)))

    def similar(
        self,
        id: ImageId,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
        collection: Collection = None,
    ) -> Response[Any]:
        return self._search(Search(StoredQuery(id), limit, cursor, collection or None))

    def images(
        self,
        status: ListedStatus = None,
        collection: Collection = None,
        cursor: Cursor = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        listing = self._searcher.list_documents(
            status=status, collection=collection or None, cursor=cursor, limit=limit
        )
        self._note(images=len(listing.documents))
        return answer(image_list(listing, self._store))

    def image(self, id: ImageId) -> Response[Any]:
        document = self._searcher.document(id)
        return answer(image_record(document, self._store))

    def health(self) -> Response[Any]:
        found = self._searcher.health()
        return answer(health(found, self._searcher.model, self._queue))

    def page(self) -> Response[Any]:
        return search_page()

    def _search(self, search: Search) -> Response[Any]:
        found = self._searcher.search(search)
        took = found.took_ms
        self._note(search_id=found.search_id, hits=len(found.hits), embed_ms=took.embed)
        self._note(search_ms=took.search)
        return answer(search_result(found, self._store))
