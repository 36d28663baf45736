"""The shapes of what is answered, as the OpenAPI document tells them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imagesearch.domain import Status


def _utc(moment: datetime) -> datetime:
    """Cameras write no time zone; the index takes their time for UTC, so the answer does too."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Id = Annotated[str, Field(description="A URL-safe digest of bucket and key.")]
Key = Annotated[str, Field(description="The object's key in the bucket.")]
Url = Annotated[str, Field(description="Where the image can be fetched for the next minutes.")]
Cursor = Annotated[
    str | None, Field(description="Send it back to get the next page; null at the end.")
]


class Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class Took(Answer):
    """Milliseconds."""

    embed: float
    search: float
    total: float


class FoundImage(Answer):
    id: Id
    key: Key
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity to the query.")]
    url: Url
    width: Annotated[int | None, Field(description="Pixels, as displayed.")]
    height: Annotated[int | None, Field(description="Pixels, as displayed.")]
    content_type: str | None
    taken_at: Annotated[Moment | None, Field(description="When the camera says it was taken.")]
    metadata: Annotated[dict[str, str], Field(description="The object's x-amz-meta- headers.")]


class SearchResult(Answer):
    """Hits, nearest first."""

    search_id: str
    model: Annotated[str, Field(description="The model that embedded the query.")]
    took_ms: Took
    hits: list[FoundImage]
    cursor: Cursor


class ImageRecord(Answer):
    """What the index records of an image; the fields in pixels only where it could be read."""

    id: Id
    key: Key
    status: Status
    reason: Annotated[str, Field(description="Why it was rejected.")] = ""
    decoder: Annotated[str, Field(description="What rejected it; a newer one tries again.")] = ""
    url: Url
    collection: Annotated[str | None, Field(description="The first part of the key.")]
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: Moment | None = None
    metadata: dict[str, str]
    last_modified: Moment
    indexed_at: Moment
    model: str


class ImageList(Answer):
    """Records in the order of their keys."""

    images: list[ImageRecord]
    cursor: Cursor


class Waiting(Answer):
    """Changes of the bucket that the index has still to follow."""

    waiting: Annotated[int, Field(ge=0, description="Not begun yet.")]
    in_flight: Annotated[int, Field(ge=0, description="Under way, or to be tried again.")]


class Health(Answer):
    status: Annotated[str, Field(description="ok; where a search would fail, the answer is 503.")]
    images: Annotated[int, Field(description="How many images a search can find.")]
    rejected: Annotated[int, Field(description="How many could not be read.")]
    model: str
    index: str
    cluster: Annotated[str, Field(description="green; yellow where a copy is missing.")]
    lag: Annotated[
        Waiting | None,
        Field(description="About; null where the queue does not answer, absent where none is."),
    ] = None


class Wrong(Answer):
    code: Annotated[str, Field(description="For programs.", examples=["image_too_large"])]
    message: Annotated[str, Field(description="What was wrong.")]
    hint: Annotated[str, Field(description="What to do next.")]


class Failure(Answer):
    """Every error has this shape."""

    error: Wrong
