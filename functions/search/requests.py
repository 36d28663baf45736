"""How the bytes of a request's body are read: as JSON of a shape, or as an image.

The parameters of query strings and paths: their types, limits and descriptions.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from imagesearch.domain.errors import InvalidQuery, PayloadTooLarge, UnsupportedMediaType
from imagesearch.domain.images import Status
from imagesearch.search.pagination import MAX_DEPTH, MAX_LIMIT
from imagesearch.search.query_encoder import MAX_IMAGE_BYTES, MAX_TEXT, MAX_URLS

# In base64 both come near to the 6,291,456 bytes that a Lambda request may have.
MAX_RAW_IMAGE = MAX_IMAGE_BYTES
MAX_JSON_IMAGE = 3_000_000
MAX_URL = 2_048
MAX_JSON = MAX_JSON_IMAGE * 4 // 3 + 100_000
# For examples: a red picture of 4 x 4 pixels.
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEElEQVR42mM4IScHRwzEcQCxYxBB"
    "00rMDQAAAABJRU5ErkJggg=="
)
Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Body:
    """What a request carries: JSON of this shape, with examples by name, or an image's bytes."""

    shape: type[BaseModel]
    examples: Mapping[str, object]
    or_image: bool = False


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


ImageUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="https://…, where the operator allows it: the address of an image of up to"
        f" {MAX_IMAGE_BYTES:,} bytes on the public internet, fetched within 10 seconds. Up to"
        f" {MAX_URLS} in a request.",
    ),
]


def posted_json(event: Mapping[str, Any], shape: type[Shape]) -> Shape:
    """The body as JSON of this shape; raises ValidationError, PayloadTooLarge."""
    body = body_bytes(event)
    if len(body) > MAX_JSON:
        raise PayloadTooLarge(
            f"the body has {len(body):,} bytes, over {MAX_JSON:,}",
            "send smaller copies of images, or put them into the bucket and name their ids",
        )
    return shape.model_validate_json(body)


def posted_image(event: Mapping[str, Any]) -> bytes:
    """The body as an image's bytes; raises InvalidQuery, PayloadTooLarge."""
    body = body_bytes(event)
    if not body:
        raise InvalidQuery("the body is empty", "send the bytes of an image", "invalid_image")
    return bounded(body, MAX_RAW_IMAGE)


def bounded(data: bytes, limit: int = MAX_JSON_IMAGE) -> bytes:
    """The bytes of an image in JSON, if they are few enough; raises PayloadTooLarge."""
    if len(data) > limit:
        raise _too_large(len(data), limit)
    return data


def without_parameters(request: Request) -> None:
    """Two places for one thing could contradict each other; raises InvalidQuery."""
    if request.query_parameters:
        raise InvalidQuery("JSON has no parameters beside it", "put them into the body")


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


def require_json(content_type: str) -> None:
    """Raises UnsupportedMediaType for a body that is anything but JSON."""
    if not is_json(content_type):
        raise UnsupportedMediaType(
            "the body is an image, and JSON is wanted here",
            "send the header content-type: application/json, and images in base64",
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


def _too_large(size: int, limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the image has {size:,} bytes, over {limit:,}",
        "send a smaller copy, or put it into the bucket and search by its id",
    )


LIMIT = 10
LIST_LIMIT = 100
# A list's cursor holds a key of up to 1,024 bytes, escaped and in base64.
MAX_CURSOR = 8_192
MAX_COLLECTION = 1_024

Text: TypeAlias = Annotated[
    str,
    Query(min_length=1, max_length=MAX_TEXT, description="What to find, in words."),
]
Limit: TypeAlias = Annotated[
    int,
    Query(ge=1, le=MAX_LIMIT, description=f"How many on this page; pages go to {MAX_DEPTH:,}."),
]
CursorParameter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=MAX_CURSOR,
        description="The cursor of the page before; everything but limit as in its request.",
    ),
]
Collection: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=MAX_COLLECTION,
        description="Only images whose key begins with this and a slash.",
    ),
]
MinRelevance: TypeAlias = Annotated[
    float | None,
    Query(ge=0, le=1, description="Only hits with at least this relevance: 0.5 for what fits."),
]
Prefix: TypeAlias = Annotated[
    str | None,
    Query(max_length=MAX_COLLECTION, description="Only images whose key begins with this."),
]
Sort: TypeAlias = Annotated[
    Literal["key", "taken_at", "-taken_at"],
    Query(
        description="By `key`, by `taken_at` (oldest first) or `-taken_at` (newest first); what no"
        " camera dated comes last."
    ),
]
ListedStatus: TypeAlias = Annotated[Status | None, Query(description="Only images of this status.")]
ImageId: TypeAlias = Annotated[str, Path(description="An image's id, as hits and lists hold it.")]
