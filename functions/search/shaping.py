"""How what the use cases found turns into an answer."""

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response

from imagesearch.domain import Document, Hit, IndexHealth, Status
from imagesearch.errors import Unavailable
from imagesearch.ports import ChangeQueue, ImageStore
from imagesearch.searching import Listing, SearchAnswer

from .answers import (
    Answer,
    FoundImage,
    Health,
    ImageList,
    ImageRecord,
    SearchResult,
    Took,
    Waiting,
)

# Answers hold addresses that expire, so none is kept; and none is taken for anything but JSON.
JSON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(model: Answer) -> Response[str]:
    """A 200 in JSON: validated and written once, here, so that the resolver passes it on as it is.

    Fields that were not set are left out.
    """
    body = model.model_dump_json(exclude_unset=True)
    return Response(200, "application/json", body, JSON_HEADERS)


def json_response(
    body: Mapping[str, object], status: int, headers: Mapping[str, str]
) -> Response[str]:
    return Response(status, "application/json", json.dumps(body), {**JSON_HEADERS, **headers})


def search_result(found: SearchAnswer, store: ImageStore) -> SearchResult:
    took = found.took_ms
    return SearchResult(
        search_id=found.search_id,
        model=found.model,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        hits=[_found_image(hit, store) for hit in found.hits],
        cursor=found.cursor,
    )


def _found_image(hit: Hit, store: ImageStore) -> FoundImage:
    document = hit.document
    return FoundImage(
        id=document.id,
        key=document.ref.key,
        score=max(-1.0, min(1.0, round(hit.score, 6))),
        url=store.url(document.ref),
        width=document.width,
        height=document.height,
        content_type=document.content_type,
        taken_at=document.taken_at,
        metadata=dict(document.metadata),
    )


def health(found: IndexHealth, model: str, queue: ChangeQueue | None) -> Health:
    return Health(
        status="ok",
        images=found.images,
        rejected=found.rejected,
        model=model,
        index=found.name,
        cluster=found.status,
        **({"lag": _lag(queue)} if queue else {}),
    )


def _lag(queue: ChangeQueue) -> Waiting | None:
    """Searches do not need the queue: where it is away, the rest is still well."""
    try:
        lag = queue.lag()
    except Unavailable:
        return None
    return Waiting(waiting=lag.waiting, in_flight=lag.in_flight)


def image_list(listing: Listing, store: ImageStore) -> ImageList:
    return ImageList(
        images=[image_record(each, store) for each in listing.documents], cursor=listing.cursor
    )


def image_record(document: Document, store: ImageStore) -> ImageRecord:
    return ImageRecord(
        id=document.id,
        key=document.ref.key,
        status=document.status,
        collection=document.ref.collection,
        size=document.size,
        metadata=dict(document.metadata),
        last_modified=document.last_modified,
        indexed_at=document.indexed_at,
        model=document.model,
        url=store.url(document.ref),
        **_by_status(document),
    )


def _by_status(document: Document) -> dict[str, Any]:
    if document.status is Status.REJECTED:
        return {"reason": document.reason or "", "decoder": document.decoder}
    names = ("content_type", "width", "height", "taken_at")
    return {name: getattr(document, name) for name in names}
