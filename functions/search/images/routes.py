"""The images' records over HTTP: parse, call the use case, shape the answer."""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response

from ..answers import answer
from ..operation import AWAY, MISSING, Operation
from ..parameters import LIST_LIMIT, Collection, Cursor, ImageId, Limit, ListedStatus
from ..parts import Note, Parts
from .answers import ImageList, ImageRecord, image_list, image_record

LISTED = "List images in the order of their keys"
RECORD = "One image's record"


class Images:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts = parts
        self._note = note

    def operations(self) -> list[Operation]:
        get = partial(Operation, "GET")
        return [
            get("/v1/images", self.images, ImageList, LISTED, AWAY),
            get("/v1/images/<id>", self.image, ImageRecord, RECORD, MISSING),
        ]

    def images(
        self,
        status: ListedStatus = None,
        collection: Collection = None,
        cursor: Cursor = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        listing = self._parts.searcher.list_documents(
            status=status, collection=collection or None, cursor=cursor, limit=limit
        )
        self._note(images=len(listing.documents))
        return answer(image_list(listing, self._parts.addresses))

    def image(self, id: ImageId) -> Response[Any]:
        document = self._parts.searcher.document(id)
        return answer(image_record(document, self._parts.addresses))
