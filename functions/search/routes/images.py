"""The shapes of an image's record and of lists of them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from imagesearch.domain.images import Document, Status
from imagesearch.search.listing import Listing
from imagesearch.uploads import BegunUpload, PendingImage

from ..addresses import Addresses
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
    place_of,
    truncated,
)


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


def begun_upload(begun: BegunUpload) -> Upload:
    form = begun.form
    return Upload(
        id=begun.ref.id,
        key=begun.ref.key,
        upload=UploadTo(url=form.url, fields=dict(form.fields)),
        expires_at=form.expires_at,
    )


def pending_image(pending: PendingImage, addresses: Addresses) -> ImageRecord:
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


def image_list(listing: Listing, addresses: Addresses) -> ImageList:
    return ImageList(
        images=[image_record(each, addresses) for each in listing.documents], cursor=listing.cursor
    )


def image_record(document: Document, addresses: Addresses) -> ImageRecord:
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
