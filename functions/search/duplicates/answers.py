"""The shapes of groups of duplicates, and of what a check finds."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from imagesearch.domain.images import Document
from imagesearch.duplicates.checker import Match
from imagesearch.duplicates.groups import MAX_SHOWN, Group, GroupPage
from imagesearch.grouping import GroupKind

from ..addresses import Addresses
from ..responses import Answer, Cursor
from ..routes.images import ImageRecord, image_record


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


def duplicate_groups(page: GroupPage, addresses: Addresses) -> DuplicateGroups:
    return DuplicateGroups(
        groups=[_group(each, addresses) for each in page.groups], cursor=page.cursor
    )


def duplicate_answer(matches: list[Match], addresses: Addresses) -> DuplicateAnswer:
    return DuplicateAnswer(
        duplicate=bool(matches), matches=[_match(each, addresses) for each in matches]
    )


def _group(group: Group, addresses: Addresses) -> DuplicateGroup:
    return DuplicateGroup(
        kind=group.kind,
        size=group.size,
        original=group.documents[0].id,
        images=_records(group.documents, addresses),
    )


def _match(match: Match, addresses: Addresses) -> DuplicateMatch:
    found = match.likeness
    return DuplicateMatch(
        kind=Kind.EXACT if match.is_exact else Kind.NEAR,
        confidence=round(found.confidence, 4),
        score=max(-1.0, min(1.0, round(found.score, 6))),
        distance=found.distance,
        image=image_record(match.document, addresses),
    )


def _records(documents: list[Document], addresses: Addresses) -> list[ImageRecord]:
    return [image_record(each, addresses) for each in documents]
