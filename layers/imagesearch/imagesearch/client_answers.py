"""What the API answers, as types for its client; the OpenAPI document describes each field."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Took(TypedDict):
    """Milliseconds."""

    embed: float
    search: float
    total: float


class Hit(TypedDict):
    id: str
    key: str
    score: float
    relevance: float | None
    url: str
    thumbnail_url: str | None
    width: int | None
    height: int | None
    content_type: str | None
    taken_at: str | None
    latitude: NotRequired[float | None]
    longitude: NotRequired[float | None]
    truncated: NotRequired[bool]
    metadata: dict[str, str]


class Found(TypedDict):
    """Hits, nearest first."""

    search_id: str
    model: str
    took_ms: Took
    hits: list[Hit]
    cursor: str | None


class Image(TypedDict):
    """An image's record; the fields in pixels only where it could be read."""

    id: str
    key: str
    status: Literal["indexed", "rejected", "pending"]
    reason: NotRequired[str]
    url: str
    thumbnail_url: str | None
    collection: str | None
    size: int
    content_type: NotRequired[str | None]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    taken_at: NotRequired[str | None]
    truncated: NotRequired[bool]
    metadata: NotRequired[dict[str, str]]
    last_modified: str
    indexed_at: NotRequired[str]
    model: NotRequired[str]


class UploadForm(TypedDict):
    url: str
    fields: dict[str, str]


class Upload(TypedDict):
    """Where to send the bytes; the image is found under `id` once it is indexed."""

    id: str
    key: str
    upload: UploadForm
    expires_at: str


class ScoredLabel(TypedDict):
    label: str
    score: float
    similarity: float | None


class Classified(TypedDict):
    """Labels, best first, and the images that voted where none were given."""

    model: str
    took_ms: Took
    labels: list[ScoredLabel]
    compared: int
    evidence: list[Hit]


class DuplicateGroup(TypedDict):
    """Images that show the same picture, the suggested original first."""

    kind: Literal["exact", "near"]
    size: int
    original: str
    images: list[Image]


class DuplicateMatch(TypedDict):
    kind: Literal["exact", "near"]
    confidence: float
    score: float
    distance: int | None
    image: Image


class DuplicateCheck(TypedDict):
    duplicate: bool
    matches: list[DuplicateMatch]


class Health(TypedDict):
    status: str
    images: int
    rejected: int
    model: str
    index: str
    cluster: str
    lag: NotRequired[dict[str, int] | None]
