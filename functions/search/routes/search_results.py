"""Responses of searches: hits, and the results of a batch."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from imagesearch.domain.errors import ImageSearchError, PayloadTooLarge
from imagesearch.domain.queries import Hit
from imagesearch.search.searcher import SearchAnswer

from ..responses import (
    MAX_RESPONSE_BYTES,
    Cursor,
    Degrees,
    Failure,
    Id,
    Key,
    LargeThumbnailUrl,
    Metadata,
    Moment,
    ResponseModel,
    TakenOffset,
    ThumbnailUrl,
    Truncated,
    Url,
    error_body,
    escaped_bytes,
    location_fields,
    offset_field,
    rounded_cosine,
    truncated_field,
)
from ..routing import ImageUrls


class Took(ResponseModel):
    """Durations in milliseconds."""

    embed: Annotated[float, Field(description="Embedding the query.")]
    search: Annotated[float, Field(description="Searching the index.")]
    total: Annotated[float, Field(description="Total time in the function.")]


class FoundImage(ResponseModel):
    id: Id
    key: Key
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity to the query.")]
    relevance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Relevance to the query, comparable between queries; 0.5 separates relevant"
            " images from others. Null if the model is not calibrated.",
        ),
    ]
    url: Url
    thumbnail_url: ThumbnailUrl
    large_thumbnail_url: LargeThumbnailUrl = None
    width: Annotated[int | None, Field(description="Width in pixels, as displayed.")]
    height: Annotated[int | None, Field(description="Height in pixels, as displayed.")]
    content_type: Annotated[
        str | None, Field(description="Media type, detected from the bytes of the file.")
    ]
    taken_at: Annotated[
        Moment | None, Field(description="When the image was taken, from its EXIF data.")
    ]
    taken_offset: TakenOffset = None
    latitude: Degrees = None
    longitude: Degrees = None
    truncated: Truncated = False
    metadata: Metadata


class SearchResult(ResponseModel):
    """Hits by descending similarity."""

    search_id: Annotated[
        str | None,
        Field(
            description="Identifies the search in feedback, valid for one day; absent without"
            " `feedback`."
        ),
    ] = None
    model: Annotated[str, Field(description="Model that embedded the query.")]
    adapter: Annotated[
        str | None,
        Field(
            description="Query adapter, fitted on feedback, that was applied to the query; null if"
            " none is in use."
        ),
    ]
    took_ms: Took
    hits: Annotated[list[FoundImage], Field(description="Most similar image first.")]
    cursor: Cursor
    notice: Annotated[
        str | None,
        Field(
            description="A sentence for the user if a text of the query is not in a language that"
            " the model understands; otherwise absent. Queries in other scripts are detected, and"
            " most in fifteen languages with Latin script."
        ),
    ] = None


class BatchResult(ResponseModel):
    """One result per search, in the order of the request; `took_ms` is that of the whole batch."""

    results: Annotated[
        list[SearchResult | Failure], Field(description="In the order of the searches.")
    ]


_TOO_LARGE = PayloadTooLarge(
    "the results of the searches before fill the response",
    "send this search in another request",
    "response_too_large",
)


def found_image(hit: Hit, urls: ImageUrls) -> FoundImage:
    document = hit.document
    return FoundImage(
        id=document.id,
        key=document.ref.key,
        score=rounded_cosine(hit.score),
        relevance=None if hit.relevance is None else round(hit.relevance, 4),
        **urls.fields(document),
        width=document.width,
        height=document.height,
        content_type=document.content_type,
        taken_at=document.taken_at,
        metadata=dict(document.metadata),
        **offset_field(document),
        **location_fields(document),
        **truncated_field(document),
    )


def search_result(result: SearchAnswer, urls: ImageUrls) -> SearchResult:
    took = result.took_ms
    return SearchResult(
        **({"search_id": result.search_id} if result.search_id else {}),
        model=result.model,
        adapter=result.adapter,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        hits=[found_image(hit, urls) for hit in result.hits],
        cursor=result.cursor,
        **({"notice": result.notice} if result.notice else {}),
    )


def batch_result(
    results: Sequence[SearchAnswer | ImageSearchError], urls: ImageUrls
) -> BatchResult:
    """The results that fit into a response, in their order; an error for each of the others."""
    shaped: list[SearchResult | Failure] = []
    size = 0
    for each in results:
        one = each if isinstance(each, ImageSearchError) else search_result(each, urls)
        if isinstance(one, SearchResult):
            size += escaped_bytes(one.model_dump_json(exclude_unset=True))
            if size > MAX_RESPONSE_BYTES:
                one = _TOO_LARGE
        shaped.append(error_body(one) if isinstance(one, ImageSearchError) else one)
    return BatchResult(results=shaped)
