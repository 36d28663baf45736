"""Classification route: zero-shot by labels or a label set, or a vote of similar images."""

from dataclasses import dataclass
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.classification.classifier import (
    MAX_LABELS,
    MAX_NEIGHBORS,
    NEAREST_LABELS,
    Classification,
    LabelExamples,
    SingleImage,
    Vote,
)
from imagesearch.classification.examples import (
    MAX_EXAMPLES,
    MAX_SHOTS,
    LabelSource,
    NamedExamples,
    RecordedExamples,
)
from imagesearch.classification.few_shot import Learned
from imagesearch.classification.prompts import MAX_LABEL
from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery, StoredQuery, UrlQuery

from ..parameters import LIMIT, MAX_COLLECTION, Collection
from ..requests import (
    EXAMPLE_IMAGE,
    Base64,
    ImageUrl,
    RequestBody,
    check_image_size,
    is_json,
    posted_image,
    posted_json,
    reject_parameters,
)
from ..responses import ResponseModel, json_response, rounded_cosine
from ..routing import IMAGE_ERRORS, Dependencies, ImageUrls, LogFields, Operation
from .search_results import FoundImage, Took, found_image

DEFAULT_NEIGHBORS = 20
Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL)]
Labels = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_LABELS * (MAX_LABEL + 1),
        description="Labels separated by commas: a cat,a dog",
    ),
]
LabelLimit = Annotated[
    int, Query(ge=1, le=MAX_LABELS, description="Maximum number of labels to return.")
]
LabelSetName = Annotated[
    str | None, Query(max_length=64, description="Name of a stored label set.")
]
NeighborCount = Annotated[
    int, Query(ge=1, le=MAX_NEIGHBORS, description="Number of nearest labeled images that vote.")
]
_SHOTS = (
    "Number of indexed images per label to learn from, with `labels`: their label is in `source`."
    f" At most {MAX_EXAMPLES} images in all."
)
Shots = Annotated[int | None, Query(ge=1, le=MAX_SHOTS, description=_SHOTS)]
_SOURCE = "Source of the label of each image that votes or is an example."
Source = Annotated[LabelSource, Query(description=_SOURCE)]
ImageIds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=512)]],
    Field(min_length=1, max_length=MAX_SHOTS),
]
ExampleIds = Annotated[
    dict[Label, ImageIds],
    Field(
        description="IDs of indexed images that show a label, by label: up to"
        f" {MAX_EXAMPLES} images in all."
    ),
]
SUMMARY = "Classify an image"
DESCRIPTION = f"""With `labels`: zero-shot classification among up to {MAX_LABELS} labels of up to
{MAX_LABEL} characters. With `labelset`: the same among the labels of a stored set, of which the
nearest {NEAREST_LABELS:,} are compared. Without either: a vote of the nearest labeled images, which
are returned as `evidence`; `source` selects where their label is recorded. The scores of all
compared labels sum to 1.

With `examples` or `shots`, the scores of `labels` are learned from indexed images: kernel
regression between zero-shot and neighbors. It is used if it proves better on held-out examples;
otherwise zero-shot classification remains. `learned` in the response states the result.

The body is JSON or the bytes of an image. With an image as the body, all other fields are query
parameters, and `labels` are separated by commas."""


class PostedClassify(BaseModel):
    """The image, and the labels to compare it with; by default those of the labeled images."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[str | None, Field(description="ID of an indexed image, instead of `image`.")] = (
        None
    )
    url: ImageUrl | None = None
    labels: Annotated[
        list[Label] | None,
        Field(min_length=1, max_length=MAX_LABELS, description="Labels, worded as in a caption."),
    ] = None
    labelset: Annotated[
        str | None, Field(description="Name of a stored label set, instead of `labels`.")
    ] = None
    limit: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_LABELS, description="Maximum number of labels to return."),
    ] = LIMIT
    neighbours: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=MAX_NEIGHBORS,
            description="Number of nearest labeled images that vote.",
        ),
    ] = DEFAULT_NEIGHBORS
    source: Annotated[LabelSource, Field(description=_SOURCE)] = LabelSource.METADATA
    collection: Annotated[
        str | None,
        Field(
            max_length=MAX_COLLECTION,
            description="Only images of this collection vote, or are counted by `shots`.",
        ),
    ] = None
    examples: ExampleIds | None = None
    shots: Annotated[int | None, Field(strict=True, ge=1, le=MAX_SHOTS, description=_SHOTS)] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedClassify":
        if sum(value is not None for value in (self.image, self.id, self.url)) != 1:
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id, url")
        return self

    def query(self) -> SingleImage:
        """Raises PayloadTooLarge."""
        if self.image is not None:
            return ImageQuery(check_image_size(self.image))
        return StoredQuery(self.id) if self.id is not None else UrlQuery(self.url or "")

    def vote(self) -> Vote:
        return Vote(self.neighbours, self.source, self.collection or None)

    def selection(self) -> "LabelSelection":
        return LabelSelection(self.labels, self.labelset, self.vote(), self.examples, self.shots)


class ScoredLabel(ResponseModel):
    label: Annotated[
        str, Field(description="The label as sent, as stored, or as recorded of the images.")
    ]
    score: Annotated[
        float, Field(ge=0, le=1, description="Share of this label; the sum of all compared is 1.")
    ]
    similarity: Annotated[
        float | None,
        Field(ge=-1, le=1, description="Cosine similarity of label and image; null in a vote."),
    ]


class LearnedLabels(ResponseModel):
    """The test of what was learned from examples."""

    examples: Annotated[int, Field(ge=0, description="Number of examples.")]
    held_out: Annotated[
        int, Field(ge=0, description="Number of examples that were held out in turn.")
    ]
    accuracy_before: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Share of held-out examples with the right label first, zero-shot; null for"
            " too few examples.",
        ),
    ]
    accuracy_after: Annotated[
        float | None, Field(ge=0, le=1, description="The same with the regression.")
    ]
    margin: Annotated[
        float | None, Field(ge=0, description="Half of the 95 % interval of the gain.")
    ]
    used: Annotated[
        bool, Field(description="Whether scores are those of the regression, not zero-shot.")
    ]
    reason: Annotated[str | None, Field(description="Why zero-shot remains; null otherwise.")]


class ClassifyResult(ResponseModel):
    """Labels by descending score."""

    model: Annotated[str, Field(description="Model that embedded the image and the labels.")]
    took_ms: Took
    labels: Annotated[list[ScoredLabel], Field(description="Highest score first.")]
    compared: Annotated[int, Field(description="Number of labels compared.")]
    evidence: Annotated[
        list[FoundImage], Field(description="The images that voted, most similar first.")
    ]
    learned: Annotated[
        LearnedLabels | None,
        Field(description="What was learned from examples; null without examples."),
    ]


CLASSIFY = RequestBody(
    PostedClassify,
    {
        "labels": {"image": EXAMPLE_IMAGE, "labels": ["a red square", "a cat"]},
    },
    accepts_image=True,
)


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """The labels to compare an image with: `labels`, else those of `labelset`, else of a vote."""

    labels: list[str] | None
    labelset: str | None
    vote: Vote
    examples: dict[str, list[str]] | None = None
    shots: int | None = None

    def label_examples(self) -> LabelExamples | None:
        """Raises InvalidQuery for examples of two kinds, or without labels."""
        if self.examples is None and self.shots is None:
            return None
        if self.labels is None or (self.examples is not None and self.shots is not None):
            raise InvalidQuery(
                "examples and shots exclude each other, and need labels",
                "send one of the two with labels; a label set has examples of its own",
            )
        if self.examples is not None:
            return NamedExamples({label.strip(): ids for label, ids in self.examples.items()})
        return RecordedExamples(self.shots or 1, self.vote.source, self.vote.collection)


class ClassifyRoutes:
    """A route that raises the errors of its use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._dependencies = dependencies
        self._log = log

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/v1/classify",
                self.classify,
                ClassifyResult,
                SUMMARY,
                IMAGE_ERRORS,
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
        neighbours: NeighborCount = DEFAULT_NEIGHBORS,
        source: Source = LabelSource.METADATA,
        collection: Collection = None,
        shots: Shots = None,
    ) -> Response[Any]:
        event = request.resolved_event
        if is_json(event.headers.get("content-type", "")):
            reject_parameters(request)
            posted = posted_json(event, PostedClassify)
            found = self._classify(posted.query(), posted.selection())
            return self._response(found, posted.limit)
        image = ImageQuery(posted_image(event))
        split = labels.split(",") if labels is not None else None
        vote = Vote(neighbours, source, collection or None)
        selection = LabelSelection(split, labelset, vote, shots=shots)
        return self._response(self._classify(image, selection), limit)

    def _classify(self, image: SingleImage, selection: LabelSelection) -> Classification:
        """Raises InvalidQuery for both labels and a label set."""
        classifier = self._dependencies.classifier
        if selection.labels is not None and selection.labelset is not None:
            raise InvalidQuery("labels and labelset exclude each other", "send one of the two")
        examples = selection.label_examples()
        if selection.labels is not None:
            return classifier.by_labels(image, selection.labels, examples)
        if selection.labelset is not None:
            return classifier.by_labelset(image, selection.labelset)
        return classifier.by_neighbors(image, selection.vote)

    def _response(self, result: Classification, limit: int) -> Response[Any]:
        took = result.took_ms
        self._log(labels=len(result.labels), embed_ms=took.embed, search_ms=took.search)
        return json_response(_classify_result(result, limit, self._dependencies.image_urls))


def _classify_result(result: Classification, limit: int, urls: ImageUrls) -> ClassifyResult:
    took = result.took_ms
    return ClassifyResult(
        model=result.model,
        took_ms=Took(embed=took.embed, search=took.search, total=took.total),
        labels=[
            ScoredLabel(
                label=each.label,
                score=round(each.score, 6),
                similarity=None if each.similarity is None else rounded_cosine(each.similarity),
            )
            for each in result.labels[:limit]
        ],
        compared=len(result.labels),
        evidence=[found_image(hit, urls) for hit in result.evidence],
        learned=learned_labels(result.learned),
    )


def learned_labels(found: Learned | None) -> LearnedLabels | None:
    if found is None:
        return None
    before, after = found.accuracy or (None, None)
    return LearnedLabels(
        examples=found.examples,
        held_out=found.held_out,
        accuracy_before=before and round(before, 4),
        accuracy_after=after and round(after, 4),
        margin=round(found.margin, 4) if found.accuracy else None,
        used=found.used,
        reason=found.reason or None,
    )
