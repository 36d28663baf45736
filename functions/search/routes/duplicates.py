"""Duplicate routes: groups of duplicates, and the check of one image."""

from enum import StrEnum
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.queries import ImageQuery, StoredQuery
from imagesearch.duplicates.checker import MatchedImage
from imagesearch.duplicates.groups import (
    DEFAULT_GROUPS,
    MAX_GROUPS,
    MAX_SHOWN,
    Group,
    GroupKind,
    GroupPage,
)
from imagesearch.duplicates.similarity import MAX_CONFIDENCE, MIN_CONFIDENCE, THRESHOLD

from ..parameters import MAX_COLLECTION, Collection, CursorParameter
from ..requests import (
    EXAMPLE_IMAGE,
    Base64,
    RequestBody,
    check_image_size,
    is_json,
    posted_image,
    posted_json,
    reject_parameters,
)
from ..responses import Cursor, ResponseModel, json_response, rounded_cosine
from ..routing import IMAGE_ERRORS, UNAVAILABLE, Dependencies, ImageUrls, LogFields, Operation
from .images import ImageRecord, image_record

Threshold = Annotated[
    float,
    Query(
        ge=MIN_CONFIDENCE,
        le=MAX_CONFIDENCE,
        allow_inf_nan=False,
        description="Minimum confidence that two images are duplicates.",
    ),
]
GroupLimit = Annotated[
    int, Query(ge=1, le=MAX_GROUPS, description="Maximum number of groups per page.")
]
LIST = "List groups of duplicate images"
LIST_RULES = """Copies that were cropped, resized, recompressed, mirrored, recolored, framed or
overlaid with text are near duplicates; different photos of one subject are not. Images are compared
when they are indexed, so new images join groups with a delay: at once on a local server, within two
minutes on AWS. A page may have fewer groups than `limit`; the last page has no cursor."""
CHECK_IMAGE = "Check for duplicates of an image"
CHECK_RULES = """The body is JSON or the bytes of an image. With an image as the body, `threshold`
and `collection` are query parameters."""


class PostedCheck(BaseModel):
    """The image to check, and the minimum confidence."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[
        str | None,
        Field(description="ID of an indexed image; the image itself is excluded from the matches."),
    ] = None
    threshold: Annotated[
        float,
        Field(
            strict=True,
            ge=MIN_CONFIDENCE,
            le=MAX_CONFIDENCE,
            allow_inf_nan=False,
            description="Minimum confidence of a match.",
        ),
    ] = THRESHOLD
    collection: Annotated[
        str | None,
        Field(
            max_length=MAX_COLLECTION,
            description="Only images of this collection: a folder, such as `cats/kittens`.",
        ),
    ] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedCheck":
        if (self.image is None) == (self.id is None):
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id")
        return self

    def query(self) -> ImageQuery | StoredQuery:
        """Raises PayloadTooLarge."""
        if self.image is None:
            return StoredQuery(self.id or "")
        return ImageQuery(check_image_size(self.image))


class Kind(StrEnum):
    EXACT = "exact"
    NEAR = "near"


DuplicateKind = Annotated[
    Kind,
    Field(description="`exact`: identical files; `near`: the same picture, possibly edited."),
]


GroupKindField = Annotated[
    GroupKind,
    Field(
        description="`exact`: identical files; `raw+jpeg`: one shot as camera RAW and in another"
        " format; `near`: the same picture, possibly edited."
    ),
]


class DuplicateGroup(ResponseModel):
    """Duplicates of one picture; `original` is a suggestion."""

    kind: GroupKindField
    size: Annotated[
        int,
        Field(ge=2, description=f"Number of images; `images` has at most {MAX_SHOWN} of them."),
    ]
    original: Annotated[
        str,
        Field(
            description="ID of the camera RAW or else the largest image; of several, the oldest."
        ),
    ]
    images: Annotated[list[ImageRecord], Field(description="The original first.")]


class DuplicateGroups(ResponseModel):
    """Groups in the order of their first keys."""

    groups: Annotated[list[DuplicateGroup], Field(description="The groups of this page.")]
    cursor: Cursor


class DuplicateMatch(ResponseModel):
    """A duplicate of the checked image."""

    kind: DuplicateKind
    confidence: Annotated[
        float, Field(ge=0, le=1, description="Confidence of the match; 1 for identical files.")
    ]
    score: Annotated[float, Field(ge=-1, le=1, description="Cosine similarity of the embeddings.")]
    distance: Annotated[
        int | None,
        Field(ge=0, le=64, description="Hamming distance of the 64-bit perceptual hashes."),
    ]
    image: ImageRecord


class DuplicateAnswer(ResponseModel):
    """Matches by descending confidence."""

    duplicate: Annotated[bool, Field(description="True if there is a match.")]
    matches: Annotated[
        list[DuplicateMatch],
        Field(description="Identical files first, then by descending confidence."),
    ]


CHECK = RequestBody(PostedCheck, {"image": {"image": EXAMPLE_IMAGE}}, accepts_image=True)


class DuplicateRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._dependencies = dependencies
        self._log = log

    def operations(self) -> list[Operation]:
        path = "/v1/duplicates"
        return [
            Operation("GET", path, self.duplicates, DuplicateGroups, LIST, UNAVAILABLE, LIST_RULES),
            Operation(
                "POST",
                f"{path}/check",
                self.check_duplicates,
                DuplicateAnswer,
                CHECK_IMAGE,
                IMAGE_ERRORS,
                CHECK_RULES,
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
        self._log(groups=len(page.groups))
        return json_response(_groups(page, self._dependencies.image_urls))

    def check_duplicates(
        self, request: Request, threshold: Threshold = THRESHOLD, collection: Collection = None
    ) -> Response[Any]:
        event = request.resolved_event
        if is_json(event.headers.get("content-type", "")):
            reject_parameters(request)
            posted = posted_json(event, PostedCheck)
            return self._check(posted.query(), posted.threshold, posted.collection)
        return self._check(ImageQuery(posted_image(event)), threshold, collection)

    def _check(
        self, query: ImageQuery | StoredQuery, threshold: float, collection: str | None
    ) -> Response[Any]:
        matches = self._dependencies.duplicate_check.matches(
            query, threshold=threshold, collection=collection or None
        )
        self._log(matches=len(matches))
        urls = self._dependencies.image_urls
        return json_response(
            DuplicateAnswer(
                duplicate=bool(matches), matches=[_match(each, urls) for each in matches]
            )
        )


def _groups(page: GroupPage, urls: ImageUrls) -> DuplicateGroups:
    return DuplicateGroups(groups=[_group(each, urls) for each in page.groups], cursor=page.cursor)


def _group(group: Group, urls: ImageUrls) -> DuplicateGroup:
    return DuplicateGroup(
        kind=group.kind,
        size=group.size,
        original=group.documents[0].id,
        images=[image_record(each, urls) for each in group.documents],
    )


def _match(match: MatchedImage, urls: ImageUrls) -> DuplicateMatch:
    similarity = match.similarity
    return DuplicateMatch(
        kind=Kind.EXACT if match.is_exact else Kind.NEAR,
        confidence=round(similarity.confidence, 4),
        score=rounded_cosine(similarity.score),
        distance=similarity.distance,
        image=image_record(match.document, urls),
    )
