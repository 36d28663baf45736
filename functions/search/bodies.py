"""What can be posted to search, and how its bytes turn into a query."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.errors import InvalidQuery, PayloadTooLarge, UnsupportedMediaType
from imagesearch.queries import ImageQuery, Query, Search, StoredQuery, TextQuery
from imagesearch.searching import MAX_LIMIT, MAX_TEXT

from .parameters import LIMIT, MAX_COLLECTION, MAX_CURSOR

# In base64 both come near to the 6,291,456 bytes that a Lambda request may have.
MAX_RAW_IMAGE = 4_500_000
MAX_JSON_IMAGE = 3_000_000
MAX_JSON = MAX_JSON_IMAGE * 4 // 3 + 100_000


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "Input should be a string of base64")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        message = "Input should be the file's bytes in base64, without a data: prefix"
        raise PydanticCustomError("base64", message) from error


Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded, json_schema_input_type=str),
    Field(description=f"An image file of up to {MAX_JSON_IMAGE:,} bytes, in base64."),
]


class PostedQuery(BaseModel):
    """Exactly one of these."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    text: Annotated[
        str | None, Field(min_length=1, max_length=MAX_TEXT, description="What to find, in words.")
    ] = None
    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image, itself left out.")] = None

    @model_validator(mode="after")
    def _is_one(self) -> "PostedQuery":
        if sum(value is not None for value in (self.text, self.image, self.id)) != 1:
            raise PydanticCustomError("one_of", "Input should have exactly one of text, image, id")
        return self

    def query(self) -> Query:
        if self.text is not None:
            return TextQuery(self.text)
        if self.image is not None:
            return ImageQuery(_bounded(self.image, MAX_JSON_IMAGE))
        return StoredQuery(self.id or "")


class PostedSearch(BaseModel):
    """A search; fields that are left out are as they are described."""

    model_config = ConfigDict(extra="forbid")

    query: PostedQuery
    limit: Annotated[
        int, Field(strict=True, ge=1, le=MAX_LIMIT, description="How many on this page.")
    ] = LIMIT
    cursor: Annotated[
        str | None, Field(max_length=MAX_CURSOR, description="The cursor of the page before.")
    ] = None
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection."),
    ] = None


def posted_json(body: bytes) -> Search:
    """The search that a JSON body asks for; raises ValidationError, PayloadTooLarge."""
    if len(body) > MAX_JSON:
        raise _too_large(len(body), MAX_JSON)
    posted = PostedSearch.model_validate_json(body)
    return Search(posted.query.query(), posted.limit, posted.cursor, posted.collection or None)


def posted_image(body: bytes) -> ImageQuery:
    if not body:
        raise InvalidQuery("the body is empty", "send the bytes of an image", "invalid_image")
    return ImageQuery(_bounded(body, MAX_RAW_IMAGE))


def is_json(content_type: str) -> bool:
    """Whether a body is JSON; when it is neither that nor an image, raises UnsupportedMediaType."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("", "application/json"):
        return True
    if kind.startswith("image/"):
        return False
    raise UnsupportedMediaType(
        "the body's content type is neither JSON nor an image's",
        "send the header content-type: application/json, or image/jpeg and the like with the bytes",
    )


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """The body as it was sent."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidQuery(
            "the body is not the base64 that it should be", "send it anew"
        ) from error


def _bounded(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise _too_large(len(data), limit)
    return data


def _too_large(size: int, limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the image has {size:,} bytes, over {limit:,}",
        "send a smaller copy, or put it into the bucket and search by its id",
    )
