"""The shapes of an image's record and of lists of them.

What is posted to begin an upload, or to have an image fetched.

The images' records over HTTP: parse, call the use case, shape the answer.
"""

from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound
from imagesearch.domain.images import Document, Status
from imagesearch.domain.media_types import EXTENSIONS_OF
from imagesearch.search.listing import Listed, Listing, Order
from imagesearch.uploads import (
    DELETIONS_HINT,
    MAX_METADATA_BYTES,
    MAX_NAME_BYTES,
    UPLOADS_HINT,
    CreatedUpload,
    NewImage,
    PendingImage,
    UploadService,
)

from ..requests import (
    LIST_LIMIT,
    Body,
    Collection,
    CursorParameter,
    ImageId,
    ImageUrl,
    Limit,
    ListedStatus,
    Prefix,
    Sort,
    posted_json,
)
from ..responses import (
    Answer,
    Cursor,
    Degrees,
    Id,
    Key,
    Metadata,
    Moment,
    ThumbnailUrl,
    Truncated,
    Url,
    answer,
    place_of,
    truncated,
)
from ..routing import AWAY, JSON_AWAY, MISSING, Dependencies, ImageUrls, LogFields, Operation


class ImageRecord(Answer):
    """What the index records of an image; the fields in pixels only where it could be read.

    Of one that is pending no more is known than what the bucket tells.
    """

    id: Id
    key: Key
    status: Annotated[
        Status | Literal["pending"],
        Field(description="pending: uploaded, and not yet looked at."),
    ]
    reason: Annotated[str, Field(description="Why it was rejected.")] = ""
    decoder: Annotated[str, Field(description="What rejected it; a newer one tries again.")] = ""
    url: Url
    thumbnail_url: ThumbnailUrl
    collection: Annotated[str | None, Field(description="The first part of the key.")]
    size: Annotated[int, Field(description="Bytes.")]
    content_type: Annotated[str | None, Field(description="What its bytes are.")] = None
    width: Annotated[int | None, Field(description="Pixels, as displayed.")] = None
    height: Annotated[int | None, Field(description="Pixels, as displayed.")] = None
    taken_at: Annotated[Moment | None, Field(description="When the camera says it was taken.")] = (
        None
    )
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata | None = None
    last_modified: Annotated[Moment, Field(description="When the object was written.")]
    indexed_at: Annotated[Moment | None, Field(description="When the index looked at it.")] = None
    model: Annotated[str | None, Field(description="The model that embedded it.")] = None


class UploadTo(Answer):
    """A multipart form: POST these fields, and behind them the bytes as the field `file`."""

    url: Annotated[str, Field(description="Where to; it may begin at this server's root.")]
    fields: Annotated[dict[str, str], Field(description="To be sent as they are, before the file.")]


class Upload(Answer):
    """An upload that may begin. The image is found under this id once it is indexed.

    Of an image that was fetched, id and key alone.
    """

    id: Id
    key: Key
    upload: UploadTo | None = None
    expires_at: Annotated[Moment | None, Field(description="Until when the form is taken.")] = None


class DeletedImage(Answer):
    """The object is gone; the index follows a moment later."""

    id: Id
    key: Key


class ImageList(Answer):
    """Records in the order that was asked for."""

    images: Annotated[list[ImageRecord], Field(description="As many as the page holds.")]
    cursor: Cursor


def begun_upload(begun: CreatedUpload) -> Upload:
    form = begun.form
    return Upload(
        id=begun.ref.id,
        key=begun.ref.key,
        upload=UploadTo(url=form.url, fields=dict(form.fields)),
        expires_at=form.expires_at,
    )


def pending_image(pending: PendingImage, addresses: ImageUrls) -> ImageRecord:
    ref, state = pending.ref, pending.state
    return ImageRecord(
        id=ref.id,
        key=ref.key,
        status="pending",
        url=addresses.images.url(ref),
        thumbnail_url=None,
        collection=ref.collection,
        size=state.size,
        last_modified=state.last_modified,
    )


def image_list(listing: Listing, addresses: ImageUrls) -> ImageList:
    return ImageList(
        images=[image_record(each, addresses) for each in listing.documents], cursor=listing.cursor
    )


def image_record(document: Document, addresses: ImageUrls) -> ImageRecord:
    return ImageRecord(
        id=document.id,
        key=document.ref.key,
        status=document.status,
        collection=document.ref.collection,
        size=document.size,
        metadata=dict(document.metadata),
        last_modified=document.last_modified,
        indexed_at=document.indexed_at,
        model=document.model,
        url=addresses.image(document),
        thumbnail_url=addresses.thumbnail(document),
        **place_of(document),
        **truncated(document),
        **_by_status(document),
    )


def _by_status(document: Document) -> dict[str, Any]:
    if document.status is Status.REJECTED:
        return {"reason": document.reason or "", "decoder": document.decoder}
    names = ("content_type", "width", "height", "taken_at")
    return {name: getattr(document, name) for name in names}


# Letters of other scripts have up to four bytes.
MAX_STEM = MAX_NAME_BYTES // 4
TYPES = ", ".join(EXTENSIONS_OF)


class PostedImage(BaseModel):
    """An image that is to be uploaded, or with `url` one that is fetched from there."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description="A file name; what keeps it from overwriting another is added. With `url`"
            " it may be left out.",
        ),
    ] = None
    content_type: Annotated[
        str | None, Field(description=f"One of {TYPES}; with `url` it is what the bytes tell.")
    ] = None
    url: ImageUrl | None = None
    collection: Annotated[str | None, Field(description="The folder that it goes to.")] = None
    metadata: Annotated[
        dict[str, str] | None,
        Field(
            description=f"Becomes x-amz-meta- headers: ASCII, up to {MAX_METADATA_BYTES:,} bytes."
        ),
    ] = None

    def new_image(self) -> NewImage:
        """Raises InvalidQuery where it is neither described nor somewhere to be fetched from."""
        if self.url is None:
            name = _given("name", self.name)
            type = _given("content_type", self.content_type)
            return NewImage(name, type, self.collection, self.metadata or {})
        if self.content_type is not None:
            raise InvalidQuery(
                "there is a content_type beside url",
                "leave it out: it is what the bytes tell",
                "invalid_content_type",
            )
        name = self.name or _last_part(self.url)
        return NewImage(name, "", self.collection, self.metadata or {})


def _given(field: str, value: str | None) -> str:
    if value is None:
        raise InvalidQuery(f"{field} is missing", "send it, or url", f"invalid_{field}")
    return value


def _last_part(url: str) -> str:
    """A name that says where it came from, whatever signs the address is made of."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(letter for letter in last if letter.isalnum() or letter in "-_.")
    return plain.lstrip(".")[:MAX_STEM] or "image"


NEW_IMAGE = Body(
    PostedImage,
    {
        "photo": {"name": "beach.jpg", "content_type": "image/jpeg", "collection": "2024"},
        "url": {"url": "https://example.com/beach.jpg", "collection": "2024"},
    },
)


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

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._dependencies = dependencies
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
        cursor: CursorParameter = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        wanted = Listed(status, collection or None, prefix or None, Order(sort), cursor, limit)
        listing = self._dependencies.searcher.list_documents(wanted)
        self._note(images=len(listing.documents))
        return answer(image_list(listing, self._dependencies.addresses))

    def image(self, id: ImageId) -> Response[Any]:
        uploads, addresses = self._dependencies.uploads, self._dependencies.addresses
        try:
            return answer(image_record(self._dependencies.searcher.document(id), addresses))
        except NotFound:
            if uploads and (pending := uploads.pending(id)):
                return answer(pending_image(pending, addresses))
            raise

    def begin_upload(self, request: Request) -> Response[Any]:
        posted = posted_json(request.resolved_event, PostedImage)
        if posted.url is not None:
            ref = self._uploads.upload_from_url(posted.url, posted.new_image())
            return answer(Upload(id=ref.id, key=ref.key), 201)
        begun = self._uploads.create_upload(posted.new_image())
        return answer(begun_upload(begun), 201)

    def delete(self, id: ImageId) -> Response[Any]:
        deleted = self._uploads.delete(id)
        return answer(DeletedImage(id=deleted.id, key=deleted.key), 202)

    @property
    def _uploads(self) -> UploadService:
        """Raises NotAllowed."""
        if self._dependencies.uploads is None:
            raise NotAllowed("images are only read here", f"{UPLOADS_HINT}; {DELETIONS_HINT}")
        return self._dependencies.uploads
