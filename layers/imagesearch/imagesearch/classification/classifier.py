"""Use case: say what an image shows, by given labels or by the labels of images like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder, checked_labels
from imagesearch.domain.errors import InvalidQuery, NotFound
from imagesearch.domain.filters import Filter, MetadataRecorded, Recorded
from imagesearch.domain.images import Document
from imagesearch.domain.queries import Hit, ImageQuery, StoredQuery, UrlQuery, VectorQuery
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.timing import Stopwatch, Timing

MAX_LABELS = 200
MAX_NEIGHBOURS = 100
# Of a label set, so many labels are compared: what the softmax leaves out is next to nothing.
NEAREST_LABELS = 1_000
# How fast a neighbour's vote falls with its distance: Wu et al. 2018, https://arxiv.org/abs/1805.01978
VOTE_TEMPERATURE = 0.07
METADATA_LABEL = "label"


Asked: TypeAlias = ImageQuery | StoredQuery | UrlQuery


class LabelSource(StrEnum):
    """Where an indexed image's label is written."""

    METADATA = "metadata.label"
    COLLECTION = "collection"

    @property
    def filter(self) -> Filter:
        if self is LabelSource.COLLECTION:
            return Recorded("collection")
        return MetadataRecorded(METADATA_LABEL)

    def label(self, document: Document) -> str:
        if self is LabelSource.COLLECTION:
            return document.ref.collection or ""
        return document.metadata.get(METADATA_LABEL, "")


@dataclass(frozen=True, slots=True)
class Vote:
    """Which indexed images have a say: the nearest `neighbours` labelled ones."""

    neighbours: int = 20
    source: LabelSource = LabelSource.METADATA
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class LabelScore:
    """`score` is the label's share; `similarity` its cosine to the image, None in a vote."""

    label: str
    score: float
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """Labels, best first; over all that were compared, the scores sum to 1.

    `evidence` are the images that voted, nearest first.
    """

    model: str
    took_ms: Timing
    labels: list[LabelScore]
    evidence: list[Hit]


class Classifier:
    """Raises InvalidQuery, NotFound, UnreadableImage, Unavailable."""

    def __init__(self, vectors: QueryEncoder, labels: LabelEncoder, sets: LabelSets) -> None:
        self._vectors = vectors
        self._labels = labels
        self._sets = sets

    def by_labels(self, image: Asked, labels: Sequence[str]) -> Classification:
        """Zero-shot: which of up to `MAX_LABELS` labels fits, whatever is indexed."""
        wanted = checked_labels(labels, MAX_LABELS)
        watch = Stopwatch()
        vectors = self._labels.encode_labels(wanted)
        embedding = self._vectors.one(image)
        watch.embedded()
        found = scored(self._labels, wanted, (vectors @ embedding).tolist())
        return Classification(self._labels.model, watch.read(), found, [])

    def by_labelset(self, image: Asked, name: str) -> Classification:
        """Zero-shot among all labels of a set: the nearest `NEAREST_LABELS` are compared."""
        watch = Stopwatch()
        embedding = self._vectors.one(image)
        watch.embedded()
        nearest = self._sets.nearest(name, embedding, NEAREST_LABELS)
        found = scored(self._labels, *zip(*nearest, strict=True)) if nearest else []
        return Classification(self._labels.model, watch.read(), found, [])

    def by_neighbours(self, image: Asked, vote: Vote) -> Classification:
        """What the most similar labelled images say; an indexed image has no say about itself."""
        _check(vote)
        watch = Stopwatch()
        embedding = self._vectors.one(image)
        watch.embedded()
        hits = self._vectors.index.search(
            VectorQuery(
                embedding,
                vote.neighbours,
                vote.collection,
                exclude=(image.id,) if isinstance(image, StoredQuery) else (),
                filter=vote.source.filter,
            )
        )
        if not hits:
            raise _nobody_votes(vote.source)
        return Classification(self._labels.model, watch.read(), _shares(hits, vote.source), hits)


def scored(
    encoder: LabelEncoder, labels: Sequence[str], cosines: Sequence[float]
) -> list[LabelScore]:
    """Each label's share of all of them, best first, equal ones in the order of their letters."""
    shares = encoder.probabilities(cosines).tolist()
    found = map(LabelScore, labels, shares, cosines)
    return sorted(found, key=lambda one: (-one.score, -(one.similarity or 0.0), one.label))


def _shares(hits: Sequence[Hit], source: LabelSource) -> list[LabelScore]:
    nearest = hits[0].score
    weights: dict[str, float] = defaultdict(float)
    for hit in hits:
        weights[source.label(hit.document)] += float(
            np.exp((hit.score - nearest) / VOTE_TEMPERATURE)
        )
    total = sum(weights.values())
    found = [LabelScore(label, weight / total) for label, weight in weights.items()]
    return sorted(found, key=lambda one: (-one.score, one.label))


def _check(vote: Vote) -> None:
    if not 1 <= vote.neighbours <= MAX_NEIGHBOURS:
        raise InvalidQuery(
            f"neighbours is {vote.neighbours}",
            f"let 1 to {MAX_NEIGHBOURS} images vote",
            code="invalid_neighbours",
        )


def _nobody_votes(source: LabelSource) -> NotFound:
    return NotFound(
        f"no indexed image has a {source.value} to vote with",
        "send `labels`, or upload images with the header x-amz-meta-label",
        code="no_labelled_images",
    )
