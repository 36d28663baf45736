"""Use case: classify an image by labels, zero-shot or with examples, or by a vote of neighbors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from imagesearch.classification.examples import (
    FewShot,
    LabelSource,
    NamedExamples,
    RecordedExamples,
    check_labels_of_examples,
    few_shot,
    named_images,
    recorded_images,
)
from imagesearch.classification.few_shot import Learned
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder, checked_labels
from imagesearch.domain.errors import InvalidQuery, NotFound
from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import Hit, ImageQuery, StoredQuery, UrlQuery, VectorQuery
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.timing import Stopwatch, Timing

MAX_LABELS = 200
MAX_NEIGHBORS = 100
# Only this many labels of a set are compared: the softmax weights of the others are negligible.
NEAREST_LABELS = 1_000
# Temperature of the weights of votes: Wu et al. 2018, https://arxiv.org/abs/1805.01978
_VOTE_TEMPERATURE = 0.07

SingleImage: TypeAlias = ImageQuery | StoredQuery | UrlQuery
LabelExamples: TypeAlias = NamedExamples | RecordedExamples


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote of the `neighbors` nearest images that have a label in `source`."""

    neighbors: int = 20
    source: LabelSource = LabelSource.METADATA
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class LabelScore:
    """`score` is the share of the label, `similarity` its cosine to the image, None in a vote."""

    label: str
    score: float
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """Labels, best first, whose scores sum to 1; `evidence` are the voters, nearest first.

    `learned` is what was found for the examples of the labels; None without examples.
    """

    model: str
    took_ms: Timing
    labels: list[LabelScore]
    evidence: list[Hit]
    learned: Learned | None = None


class Classifier:
    """Classifies images.

    Methods raise InvalidQuery, PayloadTooLarge, NotFound, UnreadableImage, Unavailable.
    """

    def __init__(self, vectors: QueryEncoder, labels: LabelEncoder, sets: LabelSets) -> None:
        self._vectors = vectors
        self._labels = labels
        self._sets = sets

    def by_labels(
        self, image: SingleImage, labels: Sequence[str], examples: LabelExamples | None = None
    ) -> Classification:
        """Classification with up to `MAX_LABELS` labels: zero-shot, or learned from examples.

        Zero-shot is independent of the index, and remains where examples do not prove better.
        """
        checked = checked_labels(labels, MAX_LABELS)
        watch = Stopwatch()
        vectors = self._labels.encode_labels(checked)
        embedding = self._vectors.one(image)
        watch.embedded()
        if examples is None:
            found = scored(self._labels, checked, (vectors @ embedding).tolist())
            return Classification(self._labels.model, watch.read(), found, [])
        return self._learned(self._few_shot(image, checked, vectors, examples), embedding, watch)

    def by_labelset(self, image: SingleImage, name: str) -> Classification:
        """Classification with the labels of a set: zero-shot, or learned from its examples."""
        watch = Stopwatch()
        embedding = self._vectors.one(image)
        watch.embedded()
        if learned := self._sets.few_shot(name):
            return self._learned(learned, embedding, watch)
        nearest = self._sets.nearest(name, embedding, NEAREST_LABELS)
        found = scored(self._labels, *zip(*nearest, strict=True)) if nearest else []
        return Classification(self._labels.model, watch.read(), found, [])

    def _few_shot(
        self,
        image: SingleImage,
        labels: Sequence[str],
        vectors: Embedding,
        examples: LabelExamples,
    ) -> FewShot:
        index = self._vectors.index
        if isinstance(examples, NamedExamples):
            check_labels_of_examples(examples, labels)
            images = named_images(index, examples)
        else:
            # As in a vote, an indexed image is no example for itself.
            itself = (image.id,) if isinstance(image, StoredQuery) else ()
            images = recorded_images(index, examples, labels, vectors.shape[1], itself)
        return few_shot(self._labels, labels, vectors, images)

    def _learned(self, few_shot: FewShot, embedding: Embedding, watch: Stopwatch) -> Classification:
        shares = few_shot.shares(self._labels, embedding)
        found = _sorted([LabelScore(*each) for each in shares])
        return Classification(self._labels.model, watch.read(), found, [], few_shot.result)

    def by_neighbors(self, image: SingleImage, vote: Vote) -> Classification:
        """k-NN classification: a weighted vote of the nearest labeled images, without `image`."""
        _check(vote)
        watch = Stopwatch()
        embedding = self._vectors.one(image)
        watch.embedded()
        hits = self._vectors.index.search(
            VectorQuery(
                embedding,
                vote.neighbors,
                vote.collection,
                exclude=(image.id,) if isinstance(image, StoredQuery) else (),
                filter=vote.source.filter,
            )
        )
        if not hits:
            raise _no_labeled_images(vote.source)
        return Classification(self._labels.model, watch.read(), _shares(hits, vote.source), hits)


def scored(
    encoder: LabelEncoder, labels: Sequence[str], cosines: Sequence[float]
) -> list[LabelScore]:
    """The softmax share of each label, highest first; equal shares in the order of the labels."""
    shares = encoder.probabilities(cosines).tolist()
    return _sorted(map(LabelScore, labels, shares, cosines))


def _sorted(found: Iterable[LabelScore]) -> list[LabelScore]:
    return sorted(found, key=lambda one: (-one.score, -(one.similarity or 0.0), one.label))


def _shares(hits: Sequence[Hit], source: LabelSource) -> list[LabelScore]:
    nearest = hits[0].score
    weights: dict[str, float] = defaultdict(float)
    for hit in hits:
        weights[source.label(hit.document)] += float(
            np.exp((hit.score - nearest) / _VOTE_TEMPERATURE)
        )
    total = sum(weights.values())
    found = [LabelScore(label, weight / total) for label, weight in weights.items()]
    return sorted(found, key=lambda one: (-one.score, one.label))


def _check(vote: Vote) -> None:
    if not 1 <= vote.neighbors <= MAX_NEIGHBORS:
        raise InvalidQuery(
            f"neighbours is {vote.neighbors}",
            f"use 1 to {MAX_NEIGHBORS} neighbors",
            code="invalid_neighbours",
        )


def _no_labeled_images(source: LabelSource) -> NotFound:
    return NotFound(
        f"no indexed image has a label in {source.value}",
        "send `labels`, or upload images with the header x-amz-meta-label",
        code="no_labelled_images",
    )
