"""The fields that response models share, the error model, and the JSON response."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imagesearch.domain.errors import ImageSearchError, Unavailable
from imagesearch.domain.images import Document

Id = Annotated[str, Field(description="Image ID: a URL-safe digest of bucket and key.")]
Key = Annotated[str, Field(description="Key of the object in the bucket.")]
Url = Annotated[str, Field(description="URL of the image; valid for some minutes.")]
ThumbnailUrl = Annotated[
    str | None,
    Field(
        description="URL of the thumbnail (JPEG, at most 320 pixels on the longer side); null if"
        " there is none."
    ),
]
LargeThumbnailUrl = Annotated[
    str | None,
    Field(
        description="URL of a thumbnail of at most 640 pixels, for dense screens; absent if there"
        " is none, as for images indexed by earlier releases."
    ),
]
Degrees = Annotated[
    float | None,
    Field(description="Where the image was taken, in degrees; only if location storage is on."),
]
TakenOffset = Annotated[
    str | None,
    Field(
        description="UTC offset of the camera's clock, such as `+02:00`: add it to `taken_at` for"
        " the local time. Absent if the file has none; `taken_at` is then the camera's clock."
    ),
]
Truncated = Annotated[
    bool,
    Field(
        description="True if the file ends before its last row of pixels, so that the rest could"
        " not be decoded; otherwise absent."
    ),
]
Metadata = Annotated[
    dict[str, str],
    Field(
        description="User metadata: camera and lens from the file, overridden by the object's"
        " x-amz-meta- headers."
    ),
]
Cursor = Annotated[
    str | None,
    Field(description="Cursor of the next page; null on the last page."),
]
# A Lambda response has at most 6,291,456 bytes of JSON, in which this body is a string: quotes and
# backslashes of the body are escaped once more.
MAX_RESPONSE_BYTES = 6_000_000
UNAVAILABLE = "the service cannot answer at the moment"
UNAVAILABLE_HINT = "try again after the time in Retry-After; the cause is in the log of the service"
# URLs in responses expire, so responses must not be cached; nosniff keeps browsers from
# interpreting JSON as another type.
JSON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _utc(moment: datetime) -> datetime:
    """EXIF times have no time zone: the index stores them as UTC, so responses say UTC too."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]


class ResponseModel(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class Wrong(ResponseModel):
    code: Annotated[str, Field(description="Stable error code.", examples=["image_too_large"])]
    message: Annotated[str, Field(description="The cause of the error.")]
    hint: Annotated[str, Field(description="How to resolve it.")]


class Failure(ResponseModel):
    """The body of every error response."""

    error: Annotated[Wrong, Field(description="The error.")]


def error_body(error: ImageSearchError) -> Failure:
    """The error as a response body; lone surrogates of the request are escaped.

    The cause of an unavailable service names hosts, roles or paths: it is for the log alone.
    """
    if isinstance(error, Unavailable):
        error = Unavailable(UNAVAILABLE, UNAVAILABLE_HINT, error.code)
    texts = (error.code, error.message, error.hint)
    code, message, hint = (text.encode(errors="backslashreplace").decode() for text in texts)
    return Failure(error=Wrong(code=code, message=message, hint=hint))


def location_fields(document: Document) -> dict[str, Any]:
    """The fields `latitude` and `longitude`, if recorded."""
    degrees = {"latitude": document.latitude, "longitude": document.longitude}
    return {name: value for name, value in degrees.items() if value is not None}


def offset_field(document: Document) -> dict[str, Any]:
    """The field `taken_offset`, if recorded."""
    return {"taken_offset": document.taken_offset} if document.taken_offset else {}


def truncated_field(document: Document) -> dict[str, Any]:
    """The field `truncated`, if true."""
    return {"truncated": True} if document.truncated else {}


def rounded_cosine(value: float) -> float:
    """Six decimals, within -1 and 1: rounding errors of float32 go beyond."""
    return max(-1.0, min(1.0, round(value, 6)))


def escaped_bytes(body: str) -> int:
    """The bytes of a body in the response of the function."""
    return len(body.encode()) + body.count('"') + body.count("\\")


def file_response(data: bytes, content_type: str, headers: Mapping[str, str]) -> Response[str]:
    """A file, in base64 as the proxy integration requires it.

    Encoded here, so that the resolver does not validate the bytes as JSON.
    """
    response = Response(200, content_type, base64.b64encode(data).decode(), dict(headers))
    response.base64_encoded = True
    return response


def json_response(
    model: ResponseModel, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[str]:
    """The model as JSON, without fields that are not set.

    The body is a string, so that the resolver does not validate and serialize it a second time.
    """
    body = model.model_dump_json(exclude_unset=True)
    return Response(status, "application/json", body, {**JSON_HEADERS, **headers})
