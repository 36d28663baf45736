"""The parameters of query strings and paths: their types, limits and descriptions."""

from typing import Annotated, Literal, TypeAlias

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from imagesearch.domain.images import Status
from imagesearch.paging import MAX_DEPTH, MAX_LIMIT
from imagesearch.search.query_encoder import MAX_TEXT

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
Cursor: TypeAlias = Annotated[
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
