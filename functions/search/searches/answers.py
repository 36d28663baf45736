"""The shape of what a search answers."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.images import Hit
from imagesearch.search.searcher import SearchAnswer

from ..addresses import Addresses
from ..responses import (
    Answer,
    Cursor,
    Degrees,
    Failure,
    Id,
    Key,
    Metadata,
    Moment,
    ThumbnailUrl,
    Truncated,
    Url,
    place_of,
    refusal,
    truncated,
)


class Took(Answer):
    """Milliseconds."""

    embed: Annotated[float, Field(description="Making vectors of the query.")]
    search: Annotated[float, Field(description="Asking the index.")]
    total: Annotated[float, Field(description="All of it, within the function.")]


class FoundImage(Answer):
    id: Id
    key: Key
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity to the query.")]
    relevance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Whether it stands out for this query, comparable between queries; 0.5 is"
            " where right and wrong hits part. Null where the model is not calibrated.",
        ),
    ]
    url: Url
    thumbnail_url: ThumbnailUrl
    width: Annotated[int | None, Field(description="Pixels, as displayed.")]
    height: Annotated[int | None, Field(description="Pixels, as displayed.")]
    content_type: Annotated[
        str | None, Field(description="What its bytes are, whatever its name says.")
    ]
    taken_at: Annotated[Moment | None, Field(description="When the camera says it was taken.")]
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata


class SearchResult(Answer):
    """Hits, nearest first."""

    search_id: Annotated[str, Field(description="What feedback names, for a day.")]
    model: Annotated[str, Field(description="The model that embedded the query.")]
    took_ms: Took
    hits: Annotated[list[FoundImage], Field(description="Nearest first.")]
    cursor: Cursor


class BatchResult(Answer):
    """An answer for each search, in their order; `took_ms` is that of all together."""

    results: Annotated[
        list[SearchResult | Failure], Field(description="In the order of the searches.")
    ]


def batch_result(
    found: Sequence[SearchAnswer | ImageSearchError], addresses: Addresses
) -> BatchResult:
    return BatchResult(
        results=[
            refusal(one) if isinstance(one, ImageSearchError) else search_result(one, addresses)
            for one in found
        ]
    )


def search_result(found: SearchAnswer, addresses: Addresses) -> SearchResult:
    took = found.took_ms
    return SearchResult(
        search_id=found.search_id,
        model=found.model,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        hits=[found_image(hit, addresses) for hit in found.hits],
        cursor=found.cursor,
    )


def found_image(hit: Hit, addresses: Addresses) -> FoundImage:
    document = hit.document
    return FoundImage(
        id=document.id,
        key=document.ref.key,
        score=max(-1.0, min(1.0, round(hit.score, 6))),
        relevance=hit.relevance if hit.relevance is None else round(hit.relevance, 4),
        url=addresses.image(document),
        thumbnail_url=addresses.thumbnail(document),
        width=document.width,
        height=document.height,
        content_type=document.content_type,
        taken_at=document.taken_at,
        metadata=dict(document.metadata),
        **place_of(document),
        **truncated(document),
    )
