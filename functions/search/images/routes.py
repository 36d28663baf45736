"""The images' records over HTTP: parse, call the use case, shape the answer."""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.domain.errors import NotAllowed, NotFound
from imagesearch.search.listing import Listed, Order
from imagesearch.uploads import DELETIONS_HINT, UPLOADS_HINT, Intake

from ..operation import AWAY, JSON_AWAY, MISSING, Operation
from ..parameters import (
    LIST_LIMIT,
    Collection,
    Cursor,
    ImageId,
    Limit,
    ListedStatus,
    Prefix,
    Sort,
)
from ..requests import posted_json
from ..responses import answer
from ..routes.images import (
    DeletedImage,
    ImageList,
    ImageRecord,
    Upload,
    begun_upload,
    image_list,
    image_record,
    pending_image,
)
from ..routing import Note, Parts
from .bodies import NEW_IMAGE, PostedImage

LISTED = "List images, by key or by when they were taken"
RECORD = "One image's record"
UPLOAD = "Begin an upload, or have an image fetched"
UPLOADED = """The image itself goes straight to the bucket: POST the fields to the address that the
answer names, as a multipart form with the bytes as the last field, `file`. Its type is as said
here, its size up to 64 MB. With `url` the image is fetched and put there before the answer comes,
which then names no address. Then `GET /v1/images/{id}` says `pending`, and a moment later `indexed`
or `rejected`."""
TAKING = (*JSON_AWAY, 422)
DELETE = "Delete an image"
DELETED = """Deletes the object in the bucket; the index follows by the event, a moment later. In a
versioned bucket the older versions stay. Locally the file is moved out of the folder."""


class Images:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts = parts
        self._note = note

    def operations(self) -> list[Operation]:
        get, post = partial(Operation, "GET"), partial(Operation, "POST")
        delete = partial(Operation, "DELETE")
        path, one = "/v1/images", "/v1/images/<id>"
        return [
            get(path, self.images, ImageList, LISTED, AWAY),
            post(path, self.begin_upload, Upload, UPLOAD, TAKING, UPLOADED, NEW_IMAGE, 201),
            get(one, self.image, ImageRecord, RECORD, MISSING),
            delete(one, self.delete, DeletedImage, DELETE, MISSING, DELETED, status=202),
        ]

    def images(
        self,
        status: ListedStatus = None,
        collection: Collection = None,
        prefix: Prefix = None,
        sort: Sort = "key",
        cursor: Cursor = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        wanted = Listed(status, collection or None, prefix or None, Order(sort), cursor, limit)
        listing = self._parts.searcher.list_documents(wanted)
        self._note(images=len(listing.documents))
        return answer(image_list(listing, self._parts.addresses))

    def image(self, id: ImageId) -> Response[Any]:
        intake, addresses = self._parts.intake, self._parts.addresses
        try:
            return answer(image_record(self._parts.searcher.document(id), addresses))
        except NotFound:
            if intake and (pending := intake.pending(id)):
                return answer(pending_image(pending, addresses))
            raise

    def begin_upload(self, request: Request) -> Response[Any]:
        posted = posted_json(request.resolved_event, PostedImage)
        if posted.url is not None:
            ref = self._intake.take(posted.url, posted.new_image())
            return answer(Upload(id=ref.id, key=ref.key), 201)
        begun = self._intake.begin(posted.new_image())
        return answer(begun_upload(begun), 201)

    def delete(self, id: ImageId) -> Response[Any]:
        deleted = self._intake.delete(id)
        return answer(DeletedImage(id=deleted.id, key=deleted.key), 202)

    @property
    def _intake(self) -> Intake:
        """Raises NotAllowed."""
        if self._parts.intake is None:
            raise NotAllowed("images are only read here", f"{UPLOADS_HINT}; {DELETIONS_HINT}")
        return self._parts.intake
