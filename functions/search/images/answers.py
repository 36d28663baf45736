"""The shapes of an image's record and of lists of them."""

from typing import Annotated, Any

from pydantic import Field

from imagesearch.domain import Document, Status
from imagesearch.searching import Listing

from ..addresses import Addresses
from ..answers import (
    Answer,
    Cursor,
    Degrees,
    Id,
    Key,
    Metadata,
    Moment,
    ThumbnailUrl,
    Url,
    place_of,
)


class ImageRecord(Answer):
    """What the index records of an image; the fields in pixels only where it could be read."""

    id: Id
    key: Key
    status: Status
    reason: Annotated[str, Field(description="Why it was rejected.")] = ""
    decoder: Annotated[str, Field(description="What rejected it; a newer one tries again.")] = ""
    url: Url
    thumbnail_url: ThumbnailUrl
    collection: Annotated[str | None, Field(description="The first part of the key.")]
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: Moment | None = None
    latitude: Degrees = None
    longitude: Degrees = None
    metadata: Metadata
    last_modified: Moment
    indexed_at: Moment
    model: str


class ImageList(Answer):
    """Records in the order of their keys."""

    images: list[ImageRecord]
    cursor: Cursor


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
        **_by_status(document),
    )


def _by_status(document: Document) -> dict[str, Any]:
    if document.status is Status.REJECTED:
        return {"reason": document.reason or "", "decoder": document.decoder}
    names = ("content_type", "width", "height", "taken_at")
    return {name: getattr(document, name) for name in names}
