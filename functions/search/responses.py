"""What every answer is made of, as the OpenAPI document tells it, and how it is written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.images import Document


def _utc(moment: datetime) -> datetime:
    """Cameras write no time zone; the index takes their time for UTC, so the answer does too."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Id = Annotated[str, Field(description="A URL-safe digest of bucket and key.")]
Key = Annotated[str, Field(description="The object's key in the bucket.")]
Url = Annotated[str, Field(description="Where the image can be fetched for the next minutes.")]
ThumbnailUrl = Annotated[
    str | None,
    Field(description="Where a small copy can be fetched, WebP, 320 pixels at most; null: none."),
]
Degrees = Annotated[
    float | None, Field(description="Where it was taken; only where the operator has it recorded.")
]
Truncated = Annotated[
    bool,
    Field(
        description="True where the file ends before its last row, and what is missing was not"
        " seen; else left out."
    ),
]
Metadata = Annotated[
    dict[str, str],
    Field(description="What the file tells, camera and lens; over it the x-amz-meta- headers."),
]
Cursor = Annotated[
    str | None, Field(description="Send it back to get the next page; null at the end.")
]
# Answers hold addresses that expire, so none is kept; and none is taken for anything but JSON.
JSON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class Wrong(Answer):
    code: Annotated[str, Field(description="For programs.", examples=["image_too_large"])]
    message: Annotated[str, Field(description="What was wrong.")]
    hint: Annotated[str, Field(description="What to do next.")]


class Failure(Answer):
    """Every error has this shape."""

    error: Annotated[Wrong, Field(description="What went wrong.")]


def refusal(error: ImageSearchError) -> Failure:
    """What is wrong; a request may hold half of a surrogate pair, which no answer can."""
    said = (error.code, error.message, error.hint)
    code, message, hint = (text.encode(errors="backslashreplace").decode() for text in said)
    return Failure(error=Wrong(code=code, message=message, hint=hint))


def place_of(document: Document) -> dict[str, Any]:
    """The fields `latitude` and `longitude`, where they are recorded."""
    degrees = {"latitude": document.latitude, "longitude": document.longitude}
    return {name: value for name, value in degrees.items() if value is not None}


def truncated(document: Document) -> dict[str, Any]:
    """The field `truncated`, where it is true."""
    return {"truncated": True} if document.truncated else {}


def answer(
    model: Answer, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[str]:
    """In JSON: validated and written once, here, so that the resolver passes it on as it is.

    Fields that were not set are left out.
    """
    body = model.model_dump_json(exclude_unset=True)
    return Response(status, "application/json", body, {**JSON_HEADERS, **headers})
