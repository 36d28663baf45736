"""Request bodies: their types and limits, and the reading of JSON and images from events."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from imagesearch.domain.errors import InvalidQuery, PayloadTooLarge, UnsupportedMediaType
from imagesearch.search.query_encoder import MAX_IMAGE_BYTES, MAX_URLS

from .http.forms import FORM, MAX_OVERHEAD, file_of_form

# In base64 both are close to 6,291,456 bytes, the quota of a Lambda request.
MAX_RAW_IMAGE = MAX_IMAGE_BYTES
MAX_JSON_IMAGE = 3_000_000
MAX_JSON = MAX_JSON_IMAGE * 4 // 3 + 100_000
# A batch of the largest searches has some thousands; each takes a hundred times its bytes.
MAX_OBJECTS = 20_000
MAX_URL = 2_048
# Bytes of any kind, of which those of an image are accepted.
OCTETS = "application/octet-stream"
# A red PNG of 4 x 4 pixels.
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEElEQVR42mM4IScHRwzEcQCxYxBB"
    "00rMDQAAAABJRU5ErkJggg=="
)
ImageUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="https:// URL of an image on the public internet, if the operator allows URLs:"
        f" up to {MAX_IMAGE_BYTES:,} bytes, fetched within 10 seconds, at most {MAX_URLS} URLs per"
        " request.",
    ),
]
Model = TypeVar("Model", bound=BaseModel)


def _decode_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "Input should be a string of base64")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        message = "Input should be the file's bytes in base64, without a data: prefix"
        raise PydanticCustomError("base64", message) from error


Base64 = Annotated[
    bytes,
    BeforeValidator(_decode_base64, json_schema_input_type=str),
    Field(description=f"Image file of up to {MAX_JSON_IMAGE:,} bytes, in base64."),
]


@dataclass(frozen=True, eq=False)
class RequestBody:
    """The body of an operation: JSON of `model`, with named examples, or also an image's bytes."""

    model: type[BaseModel]
    examples: Mapping[str, object]
    accepts_image: bool = False


def posted_json(event: Mapping[str, Any], model: type[Model]) -> Model:
    """The body parsed as JSON of `model`. Raises ValidationError, PayloadTooLarge."""
    body = body_bytes(event)
    if len(body) > MAX_JSON:
        raise body_too_large(len(body))
    if body.count(b"{") + body.count(b"[") > MAX_OBJECTS:
        raise InvalidQuery(
            f"the body has more than {MAX_OBJECTS:,} objects and lists",
            "split the request",
            "invalid_json",
        )
    return model.model_validate_json(body)


def posted_image(event: Mapping[str, Any]) -> bytes:
    """The body, or the file of its form, as an image. Raises InvalidQuery, PayloadTooLarge."""
    body = body_bytes(event)
    content_type = _content_type(event)
    if _media_type(content_type) == FORM:
        check_image_size(body, MAX_RAW_IMAGE + MAX_OVERHEAD)
        body = file_of_form(body, content_type)
    if not body:
        raise InvalidQuery("the body is empty", "send the bytes of an image", "invalid_image")
    return check_image_size(body, MAX_RAW_IMAGE)


def check_image_size(data: bytes, limit: int = MAX_JSON_IMAGE) -> bytes:
    """`data`, if it has at most `limit` bytes. Raises PayloadTooLarge."""
    if len(data) > limit:
        raise image_too_large(len(data), limit)
    return data


def image_too_large(size: int, limit: int) -> PayloadTooLarge:
    """The error for an image of `size` bytes."""
    return PayloadTooLarge(
        f"the image has {size:,} bytes; the maximum is {limit:,}",
        "send a smaller copy, or upload the image and search by its ID",
    )


def body_too_large(size: int) -> PayloadTooLarge:
    """The error for a JSON body of `size` bytes."""
    return PayloadTooLarge(
        f"the body has {size:,} bytes; the maximum is {MAX_JSON:,}",
        "send smaller copies of the images, or upload them and send their IDs",
    )


def reject_parameters(request: Request) -> None:
    """Raises InvalidQuery for query parameters with a JSON body: the two could contradict."""
    if request.query_parameters:
        raise InvalidQuery(
            "query parameters are not allowed with a JSON body", "move them into the body"
        )


def is_json(content_type: str) -> bool:
    """True for JSON, False for an image or a form; raises UnsupportedMediaType for others."""
    kind = _media_type(content_type)
    if kind in ("", "application/json"):
        return True
    if kind.startswith("image/") or kind in (FORM, OCTETS):
        return False
    raise unsupported_body()


def unsupported_body() -> UnsupportedMediaType:
    """The error for a body of another type."""
    return UnsupportedMediaType(
        "the body is neither JSON nor an image",
        "set the header content-type to application/json, or to image/jpeg or another image type",
    )


def _content_type(event: Mapping[str, Any]) -> str:
    headers = event.get("headers") or {}
    return next((str(headers[name]) for name in headers if name.lower() == "content-type"), "")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def require_json(content_type: str) -> None:
    """Raises UnsupportedMediaType for a body that is not JSON."""
    if not is_json(content_type):
        raise UnsupportedMediaType(
            "the body is an image; this path accepts JSON only",
            "set the header content-type to application/json, and send images in base64",
        )


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """The bytes of the body. Raises InvalidQuery."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidQuery("the body is not valid base64", "send the request again") from error
