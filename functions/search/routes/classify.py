"""Classifying over HTTP: parse, call the use case, shape the answer.

What can be posted to classify.

The shape of what classifying answers.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.classification.classifier import (
    MAX_LABELS,
    MAX_NEIGHBOURS,
    NEAREST_LABELS,
    Classification,
    LabelSource,
    SingleImage,
    Vote,
)
from imagesearch.classification.prompts import MAX_LABEL
from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery, StoredQuery, UrlQuery

from ..requests import (
    EXAMPLE_IMAGE,
    LIMIT,
    MAX_COLLECTION,
    Base64,
    Body,
    Collection,
    ImageUrl,
    bounded,
    is_json,
    posted_image,
    posted_json,
    without_parameters,
)
from ..responses import Answer, answer
from ..routing import UNREADABLE, Dependencies, ImageUrls, LogFields, Operation
from .search import FoundImage, Took, found_image

NEIGHBOURS = 20
Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL)]


class PostedClassify(BaseModel):
    """An image, and what to compare it with: labels, or by default the labelled images."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image instead of `image`.")] = None
    url: ImageUrl | None = None
    labels: Annotated[
        list[Label] | None,
        Field(min_length=1, max_length=MAX_LABELS, description="In words, as in a caption."),
    ] = None
    labelset: Annotated[
        str | None, Field(description="The name of a stored set of labels instead of `labels`.")
    ] = None
    limit: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_LABELS, description="How many labels to answer."),
    ] = LIMIT
    neighbours: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_NEIGHBOURS, description="How many images vote."),
    ] = NEIGHBOURS
    source: Annotated[
        LabelSource, Field(description="Where the label of an image that votes is written.")
    ] = LabelSource.METADATA
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection vote."),
    ] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedClassify":
        if sum(value is not None for value in (self.image, self.id, self.url)) != 1:
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id, url")
        return self

    def query(self) -> SingleImage:
        """Raises PayloadTooLarge."""
        if self.image is not None:
            return ImageQuery(bounded(self.image))
        return StoredQuery(self.id) if self.id is not None else UrlQuery(self.url or "")

    def vote(self) -> Vote:
        return Vote(self.neighbours, self.source, self.collection or None)


CLASSIFY = Body(
    PostedClassify,
    {
        "labels": {"image": EXAMPLE_IMAGE, "labels": ["a red square", "a cat"]},
    },
    or_image=True,
)


class ScoredLabel(Answer):
    label: Annotated[
        str, Field(description="As it was given, or as the images that voted have it.")
    ]
    score: Annotated[float, Field(ge=0, le=1, description="Over all that were compared: sum 1.")]
    similarity: Annotated[
        float | None,
        Field(ge=-1, le=1, description="Cosine similarity of label and image; null in a vote."),
    ]


class ClassifyResult(Answer):
    """Labels, best first."""

    model: Annotated[str, Field(description="The model that embedded image and labels.")]
    took_ms: Took
    labels: Annotated[list[ScoredLabel], Field(description="Best first.")]
    compared: Annotated[int, Field(description="How many labels the scores are shares of.")]
    evidence: Annotated[
        list[FoundImage], Field(description="The images that voted, nearest first.")
    ]


def classify_result(found: Classification, limit: int, addresses: ImageUrls) -> ClassifyResult:
    """The best `limit` labels."""
    took = found.took_ms
    return ClassifyResult(
        model=found.model,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        labels=[
            ScoredLabel(
                label=each.label,
                score=round(each.score, 6),
                similarity=None if each.similarity is None else _cosine(each.similarity),
            )
            for each in found.labels[:limit]
        ],
        compared=len(found.labels),
        evidence=[found_image(hit, addresses) for hit in found.evidence],
    )


def _cosine(value: float) -> float:
    return max(-1.0, min(1.0, round(value, 6)))


SUMMARY = "Say what an image shows"
DESCRIPTION = f"""With `labels`, zero-shot: up to {MAX_LABELS} labels of up to {MAX_LABEL}
characters, put to the model in words. With `labelset`, the same among all labels of a stored set,
of which the nearest {NEAREST_LABELS:,} are compared. Without either, the nearest labelled images
vote, and come back as `evidence`; `source` says where their label is written. Scores sum to 1 over
all that is compared.

Send JSON, or the bytes of an image; beside image bytes, everything else is a parameter, and
`labels` are separated by commas."""
Labels = Annotated[
    str | None,
    Query(min_length=1, max_length=MAX_LABELS * (MAX_LABEL + 1), description="a cat,a dog"),
]
LabelLimit = Annotated[int, Query(ge=1, le=MAX_LABELS, description="How many labels to answer.")]
LabelSetName = Annotated[
    str | None, Query(max_length=64, description="The name of a stored set of labels.")
]
Neighbours = Annotated[int, Query(ge=1, le=MAX_NEIGHBOURS, description="How many images vote.")]
Source = Annotated[
    LabelSource, Query(description="Where the label of an image that votes is written.")
]


@dataclass(frozen=True, slots=True)
class Among:
    """What an image is compared with: one of these, the vote where the others are not given."""

    labels: list[str] | None
    labelset: str | None
    vote: Vote


class Classifications:
    """Raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._dependencies = dependencies
        self._note = note

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/v1/classify",
                self.classify,
                ClassifyResult,
                SUMMARY,
                UNREADABLE,
                DESCRIPTION,
                CLASSIFY,
            )
        ]

    def classify(
        self,
        request: Request,
        labels: Labels = None,
        labelset: LabelSetName = None,
        limit: LabelLimit = LIMIT,
        neighbours: Neighbours = NEIGHBOURS,
        source: Source = LabelSource.METADATA,
        collection: Collection = None,
    ) -> Response[Any]:
        event = request.resolved_event
        if is_json(event.headers.get("content-type", "")):
            without_parameters(request)
            posted = posted_json(event, PostedClassify)
            among = Among(posted.labels, posted.labelset, posted.vote())
            return self._answer(self._classify(posted.query(), among), posted.limit)
        image = ImageQuery(posted_image(event))
        given = labels.split(",") if labels is not None else None
        among = Among(given, labelset, Vote(neighbours, source, collection or None))
        return self._answer(self._classify(image, among), limit)

    def _classify(self, image: SingleImage, among: Among) -> Classification:
        """Raises InvalidQuery."""
        classifier = self._dependencies.classifier
        if among.labels is not None and among.labelset is not None:
            raise InvalidQuery("there are both labels and a labelset", "send one of the two")
        if among.labels is not None:
            return classifier.by_labels(image, among.labels)
        if among.labelset is not None:
            return classifier.by_labelset(image, among.labelset)
        return classifier.by_neighbours(image, among.vote)

    def _answer(self, found: Classification, limit: int) -> Response[Any]:
        took = found.took_ms
        self._note(labels=len(found.labels), embed_ms=took.embed, search_ms=took.search)
        return answer(classify_result(found, limit, self._dependencies.addresses))
