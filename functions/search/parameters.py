"""Query and path parameters: their types, limits and descriptions."""

from typing import Annotated, Literal, TypeAlias

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from imagesearch.domain.images import Status
from imagesearch.search.pagination import MAX_DEPTH, MAX_LIMIT
from imagesearch.search.query_encoder import MAX_TEXT

LIMIT = 10
LIST_LIMIT = 100
# The cursor of a list holds a key of up to 1,024 bytes, escaped and in base64.
MAX_CURSOR = 8_192
MAX_COLLECTION = 1_024
SORTED = (
    f"Sort order: `relevance`, or of the first {MAX_DEPTH:,} hits `taken_at` (oldest first) or"
    " `-taken_at` (newest first), which require `min_relevance`. Images without `taken_at` come"
    " last."
)
FEEDBACK = "Store the query's vector for a day, and return a `search_id` to give feedback with."
Text: TypeAlias = Annotated[
    str,
    Query(
        min_length=1, max_length=MAX_TEXT, description="Text to search for.", examples=["an owl"]
    ),
]
Limit: TypeAlias = Annotated[
    int,
    Query(
        ge=1,
        le=MAX_LIMIT,
        description=f"Maximum number of results per page; pages end at {MAX_DEPTH:,} results.",
    ),
]
CursorParameter: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=MAX_CURSOR,
        description="`cursor` of the previous page. All other parameters except `limit` must be"
        " the same as in its request.",
    ),
]
Collection: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=MAX_COLLECTION,
        description="Only images of this collection: a folder, such as `cats` or `cats/kittens`.",
    ),
]
MinRelevance: TypeAlias = Annotated[
    float | None,
    Query(
        ge=0,
        le=1,
        description="Minimum relevance of a hit; 0.5 separates relevant images from others.",
    ),
]
Prefix: TypeAlias = Annotated[
    str | None,
    Query(max_length=MAX_COLLECTION, description="Only images whose key starts with this prefix."),
]
Sort: TypeAlias = Annotated[
    Literal["key", "taken_at", "-taken_at"],
    Query(
        description="Sort order: `key`, `taken_at` (oldest first) or `-taken_at` (newest first)."
        " Images without `taken_at` come last."
    ),
]
HitSort: TypeAlias = Annotated[
    Literal["relevance", "taken_at", "-taken_at"],
    Query(description=SORTED),
]
WithFeedback: TypeAlias = Annotated[bool, Query(description=FEEDBACK)]
ListedStatus: TypeAlias = Annotated[Status | None, Query(description="Only images in this status.")]
ImageId: TypeAlias = Annotated[str, Path(description="Image ID, as in hits and lists.")]
