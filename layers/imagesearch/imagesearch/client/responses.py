"""The types of responses; the OpenAPI document describes each field."""

from typing import Literal, NotRequired, TypedDict


class Took(TypedDict):
    """Durations in milliseconds."""

    embed: float
    search: float
    total: float


class Hit(TypedDict):
    """An image found by a search, with its cosine similarity as `score`."""

    id: str
    key: str
    score: float
    relevance: float | None
    url: str
    thumbnail_url: str | None
    large_thumbnail_url: NotRequired[str | None]
    width: int | None
    height: int | None
    content_type: str | None
    taken_at: str | None
    taken_offset: NotRequired[str | None]
    latitude: NotRequired[float | None]
    longitude: NotRequired[float | None]
    truncated: NotRequired[bool]
    metadata: dict[str, str]


class Found(TypedDict):
    """The response of a search: hits, nearest first."""

    search_id: NotRequired[str]
    model: str
    adapter: str | None
    took_ms: Took
    hits: list[Hit]
    cursor: str | None
    notice: NotRequired[str]


class Image(TypedDict):
    """The record of an image; it has dimensions only if the image could be decoded."""

    id: str
    key: str
    status: Literal["indexed", "rejected", "pending"]
    reason: NotRequired[str]
    decoder: NotRequired[str]
    url: str
    thumbnail_url: str | None
    large_thumbnail_url: NotRequired[str | None]
    collection: str | None
    size: int
    content_type: NotRequired[str | None]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    taken_at: NotRequired[str | None]
    taken_offset: NotRequired[str | None]
    latitude: NotRequired[float | None]
    longitude: NotRequired[float | None]
    truncated: NotRequired[bool]
    metadata: NotRequired[dict[str, str] | None]
    last_modified: str
    indexed_at: NotRequired[str | None]
    model: NotRequired[str | None]


class UploadForm(TypedDict):
    """A presigned POST."""

    url: str
    fields: dict[str, str]


class Upload(TypedDict):
    """The form for the bytes; the image is available under `id` once it is indexed.

    An image fetched from a URL has no form.
    """

    id: str
    key: str
    upload: NotRequired[UploadForm | None]
    expires_at: NotRequired[str | None]


class ScoredLabel(TypedDict):
    """A label with its score; `similarity` is null for labels of a vote."""

    label: str
    score: float
    similarity: float | None


class LearnedLabels(TypedDict):
    """The test of what was learned from examples; `used` if it proved better than zero-shot."""

    examples: int
    held_out: int
    accuracy_before: float | None
    accuracy_after: float | None
    margin: float | None
    used: bool
    reason: str | None


class Classified(TypedDict):
    """Labels, best first, and the images that voted if no labels were given."""

    model: str
    took_ms: Took
    labels: list[ScoredLabel]
    compared: int
    evidence: list[Hit]
    learned: LearnedLabels | None


class DuplicateGroup(TypedDict):
    """Images that show the same picture, the suggested original first."""

    kind: Literal["exact", "near"]
    size: int
    original: str
    images: list[Image]


class DuplicateMatch(TypedDict):
    """A stored image that shows the same picture; `distance` is in bits of the perceptual hash."""

    kind: Literal["exact", "near"]
    confidence: float
    score: float
    distance: int | None
    image: Image


class DuplicateCheck(TypedDict):
    """The duplicates of one image, surest first."""

    duplicate: bool
    matches: list[DuplicateMatch]


class Waiting(TypedDict):
    """Bucket changes that are not in the index yet, in messages of the queue."""

    waiting: int
    in_flight: int


class ModelChange(TypedDict):
    """A model that will replace the one in use, and its progress."""

    name: str
    state: Literal["downloading", "testing", "indexing", "failed"]
    done: int
    total: int | None
    message: str


class LabelSet(TypedDict):
    """A label set and its number of labels."""

    name: str
    count: int


class Problem(TypedDict):
    """The stable code, the cause and the correction of an error."""

    code: str
    message: str
    hint: str


class Failure(TypedDict):
    """The result of a search of a batch that failed."""

    error: Problem


class Range(TypedDict):
    """A range of numbers, from `gte` to below `lt`."""

    gte: NotRequired[int | None]
    lt: NotRequired[int | None]


class CountedValue(TypedDict):
    """A value, as in a filter on the field, and the number of images that have it."""

    value: str | Range
    count: int


class FacetValues(TypedDict):
    """The values of a field; `others` and `missing` count images with another value or none."""

    field: str
    values: list[CountedValue]
    others: int
    missing: int


class FacetsByName(TypedDict):
    """The values of each field."""

    year: FacetValues
    month: FacetValues
    camera: FacetValues
    pixels: FacetValues
    orientation: FacetValues
    content_type: FacetValues
    collection: FacetValues


class Facets(TypedDict):
    """The facets of `images` images; not `complete` for a search with more hits than pages."""

    images: int
    complete: bool
    facets: FacetsByName


class Collection(TypedDict):
    """A folder of the bucket; `images` includes those of nested collections."""

    collection: str
    images: int
    nested: bool


class Health(TypedDict):
    """The state of the index; `lag` counts queued changes."""

    status: str
    images: int
    rejected: int
    model: str
    index: str
    cluster: str
    allows: list[Literal["uploads", "deletions", "urls"]]
    lag: NotRequired[Waiting | None]
    damaged: NotRequired[int | None]
    next_model: NotRequired[ModelChange | None]
