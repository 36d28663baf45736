"""Image routes: records, lists, uploads and deletions."""

from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound
from imagesearch.domain.images import Document, Status
from imagesearch.domain.media_types import EXTENSIONS_OF
from imagesearch.search.listing import ListPage, ListRequest, Order
from imagesearch.search.previews import LONGEST_SIDE, version_of
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

from ..base_path import public_url
from ..etags import matches, weak_etag
from ..requests import (
    LIST_LIMIT,
    Collection,
    CursorParameter,
    ImageId,
    ImageUrl,
    Limit,
    ListedStatus,
    Prefix,
    RequestBody,
    Sort,
    posted_json,
    require_json,
)
from ..responses import (
    Cursor,
    Degrees,
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
    file_response,
    json_response,
    location_fields,
    offset_field,
    truncated_field,
)
from ..routing import (
    JSON_ERRORS,
    NOT_FOUND,
    UNAVAILABLE,
    Dependencies,
    ImageUrls,
    LogFields,
    Operation,
)
from .search_filters import FilterParameter, parsed_filter

# A character has up to four bytes in UTF-8.
MAX_STEM = MAX_NAME_BYTES // 4
TYPES = ", ".join(EXTENSIONS_OF)
LIST = "List images by key or by the time they were taken"
RECORD = "Get the record of an image"
UPLOAD = "Create an upload, or fetch an image from a URL"
UPLOAD_STEPS = """The image itself is uploaded directly to the bucket: POST the returned fields to
the returned URL, as a multipart form with the bytes as the last field, `file`. The image must have
the declared type and at most 64 MB. With `url`, the image is fetched and stored before the response
is sent, and the response has no `upload`. Afterwards `GET /v1/images/{id}` reports `pending`, then
`indexed` or `rejected`."""
UPLOAD_ERRORS = (*JSON_ERRORS, 422)
PREVIEW_ERRORS = (404, 422, 503)
WEBP = "image/webp"
PREVIEW = "Get an image as WebP of at most 1,600 pixels"
PREVIEW_RULES = f"""For formats that browsers do not display, such as TIFF, HEIC, JPEG XL and camera
RAW: the image upright, in sRGB, with at most {LONGEST_SIDE:,} pixels in width and height. It is
decoded for each request, and has an `ETag`. Send `Accept: {WEBP}`: API Gateway returns base64 to
other clients."""
DELETE = "Delete an image"
DELETE_RULES = """Deletes the object in the bucket; its event removes the image from the index
shortly after. In a versioned bucket, older versions remain. On a local server, the file is moved
out of the folder."""


class PostedImage(BaseModel):
    """An image to upload or, with `url`, to fetch."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description="File name; a suffix makes it unique, so that no image is overwritten."
            " Optional with `url`.",
        ),
    ] = None
    content_type: Annotated[
        str | None,
        Field(
            description=f"Media type: one of {TYPES}. Not allowed with `url`: it is detected from"
            " the bytes."
        ),
    ] = None
    url: ImageUrl | None = None
    collection: Annotated[
        str | None, Field(description="Collection: the first folder of the new key.")
    ] = None
    metadata: Annotated[
        dict[str, str] | None,
        Field(
            description="User metadata, stored as x-amz-meta- headers: ASCII, up to"
            f" {MAX_METADATA_BYTES:,} bytes."
        ),
    ] = None

    def new_image(self) -> NewImage:
        """Raises InvalidQuery for a field that is missing or contradicts `url`."""
        if self.url is None:
            name = _required("name", self.name)
            type = _required("content_type", self.content_type)
            return NewImage(name, type, self.collection, self.metadata or {})
        if self.content_type is not None:
            raise InvalidQuery(
                "content_type is not allowed with url",
                "omit it: the type is detected from the bytes",
                "invalid_content_type",
            )
        name = self.name or _name_from_url(self.url)
        return NewImage(name, "", self.collection, self.metadata or {})


class ImageRecord(ResponseModel):
    """The index record of an image.

    Dimensions and times of rejected images are absent; a pending image has only the fields that
    the bucket lists.
    """

    id: Id
    key: Key
    status: Annotated[
        Status | Literal["pending"],
        Field(description="`pending`: uploaded, and not processed yet."),
    ]
    reason: Annotated[str, Field(description="Why the image was rejected.")] = ""
    decoder: Annotated[
        str, Field(description="Decoder that rejected the image; a newer decoder tries it again.")
    ] = ""
    url: Url
    thumbnail_url: ThumbnailUrl
    large_thumbnail_url: LargeThumbnailUrl = None
    collection: Annotated[str | None, Field(description="Collection: the first folder of the key.")]
    size: Annotated[int, Field(description="File size in bytes.")]
    content_type: Annotated[
        str | None, Field(description="Media type, detected from the bytes of the file.")
    ] = None
    width: Annotated[int | None, Field(description="Width in pixels, as displayed.")] = None
    height: Annotated[int | None, Field(description="Height in pixels, as displayed.")] = None
    taken_at: Annotated[
        Moment | None, Field(description="When the image was taken, from its EXIF data.")
    ] = None
    taken_offset: TakenOffset = None
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata | None = None
    last_modified: Annotated[Moment, Field(description="When the object was last modified.")]
    indexed_at: Annotated[Moment | None, Field(description="When the image was indexed.")] = None
    model: Annotated[str | None, Field(description="Model that embedded the image.")] = None


class UploadTo(ResponseModel):
    """A multipart form: POST these fields, followed by the bytes as the field `file`."""

    url: Annotated[
        str, Field(description="URL to POST the form to; may be relative to this server.")
    ]
    fields: Annotated[
        dict[str, str], Field(description="Form fields to send unchanged, before the file.")
    ]


class Upload(ResponseModel):
    """The new image. Its ID is valid in searches once it is indexed.

    An image fetched from `url` has only `id` and `key`.
    """

    id: Id
    key: Key
    upload: UploadTo | None = None
    expires_at: Annotated[Moment | None, Field(description="When the upload form expires.")] = None


class DeletedImage(ResponseModel):
    """The object is deleted; the index is updated shortly after."""

    id: Id
    key: Key


class ImageList(ResponseModel):
    """Records in the requested order."""

    images: Annotated[list[ImageRecord], Field(description="The records of this page.")]
    cursor: Cursor


NEW_IMAGE = RequestBody(
    PostedImage,
    {
        "photo": {"name": "beach.jpg", "content_type": "image/jpeg", "collection": "2024"},
        "url": {"url": "https://example.com/beach.jpg", "collection": "2024"},
    },
)


class ImageRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._dependencies = dependencies
        self._log = log

    def operations(self) -> list[Operation]:
        get, post = partial(Operation, "GET"), partial(Operation, "POST")
        delete = partial(Operation, "DELETE")
        path, one = "/v1/images", "/v1/images/<id>"
        return [
            get(path, self.images, ImageList, LIST, UNAVAILABLE),
            post(
                path,
                self.begin_upload,
                Upload,
                UPLOAD,
                UPLOAD_ERRORS,
                UPLOAD_STEPS,
                NEW_IMAGE,
                201,
            ),
            get(one, self.image, ImageRecord, RECORD, NOT_FOUND),
            get(f"{one}/preview", self.preview, WEBP, PREVIEW, PREVIEW_ERRORS, PREVIEW_RULES),
            delete(one, self.delete, DeletedImage, DELETE, NOT_FOUND, DELETE_RULES, status=202),
        ]

    def images(
        self,
        status: ListedStatus = None,
        collection: Collection = None,
        prefix: Prefix = None,
        filter: FilterParameter = None,
        sort: Sort = "key",
        cursor: CursorParameter = None,
        limit: Limit = LIST_LIMIT,
    ) -> Response[Any]:
        listed = ListRequest(
            status,
            collection or None,
            prefix or None,
            Order(sort),
            cursor,
            limit,
            parsed_filter(filter),
        )
        listing = self._dependencies.searcher.list_documents(listed)
        self._log(images=len(listing.documents))
        return json_response(_image_list(listing, self._dependencies.image_urls))

    def image(self, id: ImageId) -> Response[Any]:
        uploads, urls = self._dependencies.uploads, self._dependencies.image_urls
        try:
            return json_response(image_record(self._dependencies.searcher.document(id), urls))
        except NotFound:
            if uploads and (pending := uploads.pending(id)):
                return json_response(_pending_record(pending, urls))
            raise

    def preview(self, request: Request, id: ImageId) -> Response[Any]:
        previews = self._dependencies.previews
        document = previews.document(id)
        etag = weak_etag(version_of(document))
        headers = {
            "Cache-Control": "private, no-cache",
            "ETag": etag,
            "X-Content-Type-Options": "nosniff",
        }
        sent = {name.lower(): value for name, value in request.headers.items()}
        if matches(sent.get("if-none-match") or "", etag):
            return Response(304, WEBP, "", headers)
        return file_response(previews.preview(document), WEBP, headers)

    def begin_upload(self, request: Request) -> Response[Any]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, PostedImage)
        if posted.url is not None:
            ref = self._uploads.upload_from_url(posted.url, posted.new_image())
            return json_response(Upload(id=ref.id, key=ref.key), 201)
        created = self._uploads.create_upload(posted.new_image())
        return json_response(_upload(created), 201)

    def delete(self, id: ImageId) -> Response[Any]:
        deleted = self._uploads.delete(id)
        return json_response(DeletedImage(id=deleted.id, key=deleted.key), 202)

    @property
    def _uploads(self) -> UploadService:
        """Raises NotAllowed."""
        if self._dependencies.uploads is None:
            raise NotAllowed("the bucket is read-only", f"{UPLOADS_HINT}; {DELETIONS_HINT}")
        return self._dependencies.uploads


def image_record(document: Document, urls: ImageUrls) -> ImageRecord:
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
        **urls.fields(document),
        **offset_field(document),
        **location_fields(document),
        **truncated_field(document),
        **_status_fields(document),
    )


def _status_fields(document: Document) -> dict[str, Any]:
    """The fields that only indexed, or only rejected images have."""
    if document.status is Status.REJECTED:
        return {"reason": document.reason or "", "decoder": document.decoder}
    names = ("content_type", "width", "height", "taken_at")
    return {name: getattr(document, name) for name in names}


def _image_list(listing: ListPage, urls: ImageUrls) -> ImageList:
    return ImageList(
        images=[image_record(each, urls) for each in listing.documents], cursor=listing.cursor
    )


def _pending_record(pending: PendingImage, urls: ImageUrls) -> ImageRecord:
    ref, state = pending.ref, pending.state
    return ImageRecord(
        id=ref.id,
        key=ref.key,
        status="pending",
        url=urls.original(ref),
        thumbnail_url=None,
        collection=ref.collection,
        size=state.size,
        last_modified=state.last_modified,
    )


def _upload(created: CreatedUpload) -> Upload:
    form = created.form
    return Upload(
        id=created.ref.id,
        key=created.ref.key,
        upload=UploadTo(url=public_url(form.url), fields=dict(form.fields)),
        expires_at=form.expires_at,
    )


def _required(field: str, value: str | None) -> str:
    if value is None:
        raise InvalidQuery(f"{field} is missing", f"send {field}, or url", f"invalid_{field}")
    return value


def _name_from_url(url: str) -> str:
    """The last segment of the URL's path, without special characters, or "image"."""
    segment = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(letter for letter in segment if letter.isalnum() or letter in "-_.")
    return plain.lstrip(".")[:MAX_STEM] or "image"
