"""Routes of images: records, lists and previews."""

from functools import partial
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import Field

from imagesearch.domain.errors import NotFound
from imagesearch.domain.images import Document, Status
from imagesearch.search.listing import ListPage, ListRequest, Order
from imagesearch.search.previews import LONGEST_SIDE, version_of
from imagesearch.uploads import PendingImage

from ..http.etags import matches, weak_etag
from ..parameters import (
    LIST_LIMIT,
    Collection,
    CursorParameter,
    ImageId,
    Limit,
    ListedStatus,
    Prefix,
    Sort,
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
from ..routing import NOT_FOUND, UNAVAILABLE, Dependencies, ImageUrls, LogFields, Operation
from .search_filters import FilterParameter, parsed_filter

LIST = "List images by key or by the time they were taken"
RECORD = "Get the record of an image"
PREVIEW_ERRORS = (404, 422, 503)
WEBP = "image/webp"
PREVIEW = "Get an image as WebP of at most 1,600 pixels"
PREVIEW_RULES = f"""For formats that browsers do not display, such as TIFF, HEIC, JPEG XL and camera
RAW: the image upright, in sRGB, with at most {LONGEST_SIDE:,} pixels in width and height. It is
decoded for each request, and has an `ETag`. Send `Accept: {WEBP}`: API Gateway returns base64 to
other clients."""


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


class ImageList(ResponseModel):
    """Records in the requested order."""

    images: Annotated[list[ImageRecord], Field(description="The records of this page.")]
    cursor: Cursor


class ImageRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._dependencies = dependencies
        self._log = log

    def operations(self) -> list[Operation]:
        get = partial(Operation, "GET")
        path, one = "/v1/images", "/v1/images/<id>"
        return [
            get(path, self.images, ImageList, LIST, UNAVAILABLE),
            get(one, self.image, ImageRecord, RECORD, NOT_FOUND),
            get(f"{one}/preview", self.preview, WEBP, PREVIEW, PREVIEW_ERRORS, PREVIEW_RULES),
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
