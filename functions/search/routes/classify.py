"""Classifying over HTTP: parse, call the use case, shape the answer."""

from dataclasses import dataclass
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request

from imagesearch.classification.classifier import (
    MAX_LABELS,
    MAX_NEIGHBOURS,
    NEAREST_LABELS,
    Asked,
    Classification,
    LabelSource,
    Vote,
)
from imagesearch.classification.prompts import MAX_LABEL
from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery

from ..classifying.answers import ClassifyResult, classify_result
from ..classifying.bodies import CLASSIFY, NEIGHBOURS, PostedClassify
from ..operation import UNREADABLE, Operation
from ..parameters import LIMIT, Collection
from ..requests import is_json, posted_image, posted_json, without_parameters
from ..responses import answer
from ..routing import Note, Parts

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

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts = parts
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

    def _classify(self, image: Asked, among: Among) -> Classification:
        """Raises InvalidQuery."""
        classifier = self._parts.classifier
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
        return answer(classify_result(found, limit, self._parts.addresses))
