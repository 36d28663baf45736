"""Duplicates over HTTP: parse, call the use case, shape the answer.

What can be posted to a check for duplicates.

The shapes of groups of duplicates, and of what a check finds.
"""

from enum import StrEnum
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.images import Document
from imagesearch.domain.queries import ImageQuery, StoredQuery
from imagesearch.duplicates.checker import Match
from imagesearch.duplicates.groups import (
    DEFAULT_GROUPS,
    MAX_GROUPS,
    MAX_SHOWN,
    Group,
    GroupKind,
    GroupPage,
)
from imagesearch.duplicates.similarity import MAX_CONFIDENCE, MIN_CONFIDENCE, THRESHOLD

from ..requests import (
    EXAMPLE_IMAGE,
    MAX_COLLECTION,
    Base64,
    Body,
    Collection,
    CursorParameter,
    bounded,
    is_json,
    posted_image,
    posted_json,
    without_parameters,
)
from ..responses import Answer, Cursor, answer
from ..routing import AWAY, UNREADABLE, Dependencies, ImageUrls, LogFields, Operation
from .images import ImageRecord, image_record


class PostedCheck(BaseModel):
    """A picture, and how sure a match must be."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image, itself left out.")] = None
    threshold: Annotated[
        float,
        Field(
            strict=True,
            ge=MIN_CONFIDENCE,
            le=MAX_CONFIDENCE,
            allow_inf_nan=False,
            description="The least confidence of a match.",
        ),
    ] = THRESHOLD
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection."),
    ] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedCheck":
        if (self.image is None) == (self.id is None):
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id")
        return self

    def query(self) -> ImageQuery | StoredQuery:
        """Raises PayloadTooLarge."""
        return StoredQuery(self.id or "") if self.image is None else ImageQuery(bounded(self.image))


CHECK = Body(PostedCheck, {"image": {"image": EXAMPLE_IMAGE}}, or_image=True)


class Kind(StrEnum):
    EXACT = "exact"
    NEAR = "near"


DuplicateKind = Annotated[
    Kind, Field(description="exact: the same bytes; near: the same picture, perhaps edited.")
]


GroupKindField = Annotated[
    GroupKind,
    Field(
        description="exact: the same bytes; raw+jpeg: one shot as camera RAW and in another format;"
        " near: the same picture, perhaps edited."
    ),
]


class DuplicateGroup(Answer):
    """Images that show the same picture; `original` is a suggestion, not a proof."""

    kind: GroupKindField
    size: Annotated[int, Field(ge=2, description=f"How many they are; up to {MAX_SHOWN} are here.")]
    original: Annotated[
        str, Field(description="Id of the camera RAW or the largest; if several, the oldest.")
    ]
    images: Annotated[list[ImageRecord], Field(description="The original first.")]


class DuplicateGroups(Answer):
    """Groups in the order of their first keys."""

    groups: Annotated[list[DuplicateGroup], Field(description="As many as the page holds.")]
    cursor: Cursor


class DuplicateMatch(Answer):
    """An image that shows the picture asked about."""

    kind: DuplicateKind
    confidence: Annotated[float, Field(ge=0, le=1, description="How sure it is; 1 when exact.")]
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine of both embeddings.")]
    distance: Annotated[
        int | None,
        Field(ge=0, le=64, description="In how many of 64 bits both perceptual hashes differ."),
    ]
    image: ImageRecord


class DuplicateAnswer(Answer):
    """Whether the picture is there, and where; the surest first."""

    duplicate: Annotated[bool, Field(description="Whether there is a match.")]
    matches: Annotated[
        list[DuplicateMatch], Field(description="The same bytes first, then the surest.")
    ]


def duplicate_groups(page: GroupPage, addresses: ImageUrls) -> DuplicateGroups:
    return DuplicateGroups(
        groups=[_group(each, addresses) for each in page.groups], cursor=page.cursor
    )


def duplicate_answer(matches: list[Match], addresses: ImageUrls) -> DuplicateAnswer:
    return DuplicateAnswer(
        duplicate=bool(matches), matches=[_match(each, addresses) for each in matches]
    )


def _group(group: Group, addresses: ImageUrls) -> DuplicateGroup:
    return DuplicateGroup(
        kind=group.kind,
        size=group.size,
        original=group.documents[0].id,
        images=_records(group.documents, addresses),
    )


def _match(match: Match, addresses: ImageUrls) -> DuplicateMatch:
    found = match.similarity
    return DuplicateMatch(
        kind=Kind.EXACT if match.is_exact else Kind.NEAR,
        confidence=round(found.confidence, 4),
        score=max(-1.0, min(1.0, round(found.score, 6))),
        distance=found.distance,
        image=image_record(match.document, addresses),
    )


def _records(documents: list[Document], addresses: ImageUrls) -> list[ImageRecord]:
    return [image_record(each, addresses) for each in documents]


GROUPED = "Groups of images that show the same picture"
CHECKED = "Whether a picture, or what it was made from, is already there"
PAGES = """Copies that were cropped, resized, recompressed, mirrored, recolored, framed or written
over are near duplicates; other photos of the same thing are not. Images are compared when they are
indexed, so new ones come into groups some time later: at once on one machine, on AWS within two
minutes. A page may hold fewer groups than `limit`; the last page has no cursor."""
POSTED = """Send JSON, or the bytes of an image; beside image bytes, `threshold` and `collection`
are parameters."""
Threshold = Annotated[
    float,
    Query(
        ge=MIN_CONFIDENCE,
        le=MAX_CONFIDENCE,
        allow_inf_nan=False,
        description="The least confidence that two images show the same picture.",
    ),
]
GroupLimit = Annotated[int, Query(ge=1, le=MAX_GROUPS, description="How many groups on this page.")]


class Duplicates:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._dependencies = dependencies
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
        cursor: CursorParameter = None,
        limit: GroupLimit = DEFAULT_GROUPS,
    ) -> Response[Any]:
        page = self._dependencies.duplicate_groups.page(
            threshold=threshold, collection=collection or None, cursor=cursor, limit=limit
        )
        self._note(groups=len(page.groups))
        return answer(duplicate_groups(page, self._dependencies.addresses))

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
        matches = self._dependencies.duplicate_check.matches(
            query, threshold=threshold, collection=collection or None
        )
        self._note(matches=len(matches))
        return answer(duplicate_answer(matches, self._dependencies.addresses))
