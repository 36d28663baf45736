"""The shape of what classifying answers."""

from typing import Annotated

from pydantic import Field

from imagesearch.classification.classifier import Classification

from ..addresses import Addresses
from ..responses import Answer
from ..searches.answers import FoundImage, Took, found_image


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


def classify_result(found: Classification, limit: int, addresses: Addresses) -> ClassifyResult:
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
