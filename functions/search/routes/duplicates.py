"""Duplicates over HTTP: parse, call the use case, shape the answer."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.domain.queries import ImageQuery, StoredQuery
from imagesearch.duplicates.groups import GROUPS, MAX_GROUPS
from imagesearch.duplicates.similarity import LEAST_CONFIDENCE, MOST_CONFIDENCE, THRESHOLD

from ..duplicates.answers import (
    DuplicateAnswer,
    DuplicateGroups,
    duplicate_answer,
    duplicate_groups,
)
from ..duplicates.bodies import CHECK, PostedCheck
from ..operation import AWAY, UNREADABLE, Operation
from ..parameters import Collection, Cursor
from ..requests import is_json, posted_image, posted_json, without_parameters
from ..responses import answer
from ..routing import Note, Parts

GROUPED = "Groups of images that show the same picture"
CHECKED = "Whether a picture, or what it was made from, is already there"
PAGES = """Copies that were cropped, resized, recompressed, mirrored, recoloured, framed or written
over are near duplicates; other photos of the same thing are not. Images are compared when they are
indexed, so new ones come into groups some time later: at once on one machine, on AWS within two
minutes. A page may hold fewer groups than `limit`; the last page has no cursor."""
POSTED = """Send JSON, or the bytes of an image; beside image bytes, `threshold` and `collection`
are parameters."""
Threshold = Annotated[
    float,
    Query(
        ge=LEAST_CONFIDENCE,
        le=MOST_CONFIDENCE,
        allow_inf_nan=False,
        description="The least confidence that two images show the same picture.",
    ),
]
GroupLimit = Annotated[int, Query(ge=1, le=MAX_GROUPS, description="How many groups on this page.")]


class Duplicates:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts = parts
        self._note = note

    def operations(self) -> list[Operation]:
        path = "/v1/duplicates"
        return [
            Operation("GET", path, self.duplicates, DuplicateGroups, GROUPED, AWAY, PAGES),
            Operation(
                "POST",
                f"{path}/check",
                self.check_duplicates,
                DuplicateAnswer,
                CHECKED,
                UNREADABLE,
                POSTED,
                CHECK,
            ),
        ]

    def duplicates(
        self,
        threshold: Threshold = THRESHOLD,
        collection: Collection = None,
        cursor: Cursor = None,
        limit: GroupLimit = GROUPS,
    ) -> Response[Any]:
        page = self._parts.duplicate_groups.page(
            threshold=threshold, collection=collection or None, cursor=cursor, limit=limit
        )
        self._note(groups=len(page.groups))
        return answer(duplicate_groups(page, self._parts.addresses))

    def check_duplicates(
        self, request: Request, threshold: Threshold = THRESHOLD, collection: Collection = None
    ) -> Response[Any]:
        event = request.resolved_event
        if is_json(event.headers.get("content-type", "")):
            without_parameters(request)
            posted = posted_json(event, PostedCheck)
            return self._check(posted.query(), posted.threshold, posted.collection)
        return self._check(ImageQuery(posted_image(event)), threshold, collection)

    def _check(
        self, query: ImageQuery | StoredQuery, threshold: float, collection: str | None
    ) -> Response[Any]:
        matches = self._parts.duplicate_check.matches(
            query, threshold=threshold, collection=collection or None
        )
        self._note(matches=len(matches))
        return answer(duplicate_answer(matches, self._parts.addresses))
