"""Labeled examples: indexed images that are named for a label, or that have it recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from imagesearch.classification.few_shot import Examples, Learned, Regression, learned, regression
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import InvalidQuery, NotFound
from imagesearch.domain.filters import Filter, MetadataOneOf, MetadataRecorded, OneOf, Recorded
from imagesearch.domain.images import Document, Embedding
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import VectorQuery
from imagesearch.search.query_encoder import indexed_image_not_found

# Fitting and testing the regression takes a second with this many.
MAX_EXAMPLES = 500
MAX_SHOTS = 64
MAX_LABELS_WITH_EXAMPLES = 200
_METADATA_LABEL = "label"


class LabelSource(StrEnum):
    """The field that holds the label of an indexed image."""

    METADATA = "metadata.label"
    COLLECTION = "collection"

    @property
    def filter(self) -> Filter:
        if self is LabelSource.COLLECTION:
            return Recorded("collection")
        return MetadataRecorded(_METADATA_LABEL)

    def filter_of(self, label: str) -> Filter:
        if self is LabelSource.COLLECTION:
            return OneOf("collection", (label,))
        return MetadataOneOf(_METADATA_LABEL, (label,))

    def label(self, document: Document) -> str:
        if self is LabelSource.COLLECTION:
            return document.ref.collection or ""
        return document.metadata.get(_METADATA_LABEL, "")


@dataclass(frozen=True, slots=True)
class NamedExamples:
    """The ids of indexed images by label."""

    ids: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class RecordedExamples:
    """Up to `shots` indexed images of each label that have it in `source`."""

    shots: int
    source: LabelSource = LabelSource.METADATA
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Embeddings [N, D] of images, and the label of each."""

    images: Embedding
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class FewShot:
    """The regression for these labels [C, D], and its test; without one, zero-shot remains."""

    labels: Sequence[str]
    vectors: Embedding
    result: Learned
    regression: Regression | None

    def shares(self, encoder: LabelEncoder, image: Embedding) -> list[tuple[str, float, float]]:
        """Each label with its share and its cosine to an image [D]."""
        cosines = self.vectors @ image
        shares = encoder.probabilities(cosines.tolist())
        if self.regression:
            shares = self.regression.shares(image[None], shares[None])[0]
        return list(zip(self.labels, shares.tolist(), cosines.tolist(), strict=True))


def few_shot(
    encoder: LabelEncoder,
    labels: Sequence[str],
    vectors: Embedding,
    found: LabeledImages,
    known: Learned | None = None,
) -> FewShot:
    """Fit the regression to labeled images, and use it if it proves better.

    `known` is the result of the test for these examples, which is then not repeated.
    """
    columns = {label: column for column, label in enumerate(labels)}
    images = found.images.reshape(-1, vectors.shape[1])
    shares = [encoder.probabilities(row.tolist()) for row in images @ vectors.T]
    examples = Examples(
        images,
        np.array([columns[label] for label in found.labels], np.int64),
        np.array(shares, np.float64).reshape(len(images), len(labels)),
        encoder.copy_cosine,
    )
    result = _still_valid(known, len(examples)) if known else learned(examples)
    fitted = regression(examples, result.strength) if result.strength else None
    return FewShot(labels, vectors, result, fitted)


def _still_valid(known: Learned, count: int) -> Learned:
    if count:
        return replace(known, examples=count)
    return replace(known, examples=0, strength=None, reason="the examples have been deleted")


def named_images(index: VectorIndex, examples: NamedExamples) -> LabeledImages:
    """Raises InvalidQuery for too many, NotFound for an id without an image, Unavailable."""
    pairs = [(label, id) for label, ids in examples.ids.items() for id in dict.fromkeys(ids)]
    most = max((len(ids) for ids in examples.ids.values()), default=0)
    check_number(len(pairs), most)
    found = index.embeddings([id for _, id in pairs]) if pairs else {}
    for label, id in pairs:
        if id not in found:
            raise example_not_found(label, id)
    return _labeled([(label, found[id]) for label, id in pairs])


def example_not_found(label: str, id: str) -> NotFound:
    """The error for an example of a label without an indexed image."""
    error = indexed_image_not_found(id)
    return NotFound(f"examples of {label!r}: {error.message}", error.hint)


def known_images(index: VectorIndex, examples: NamedExamples) -> LabeledImages:
    """As `named_images`, of stored examples; images that have been deleted are omitted."""
    found = index.embeddings([id for ids in examples.ids.values() for id in ids])
    pairs = [(label, id) for label, ids in examples.ids.items() for id in ids if id in found]
    return _labeled([(label, found[id]) for label, id in pairs])


def recorded_images(
    index: VectorIndex,
    examples: RecordedExamples,
    labels: Sequence[str],
    dimension: int,
    exclude: tuple[str, ...] = (),
) -> LabeledImages:
    """The images of each label that are nearest to a random direction, always the same one.

    Raises InvalidQuery for too many, Unavailable.
    """
    check_number(len(labels) * examples.shots, examples.shots)
    drawn = np.random.default_rng(0).normal(size=dimension)
    direction = np.asarray(drawn / np.linalg.norm(drawn), np.float32)
    queries = [
        VectorQuery(
            direction,
            examples.shots,
            examples.collection,
            exclude=exclude,
            filter=examples.source.filter_of(label),
        )
        for label in labels
    ]
    ids = {
        label: [hit.document.ref.id for hit in hits]
        for label, hits in zip(labels, index.search_many(queries), strict=True)
    }
    return known_images(index, NamedExamples(ids))


def check_labels_of_examples(examples: NamedExamples, labels: Sequence[str]) -> None:
    """Raises InvalidQuery for examples of a label that is not among the labels."""
    for label in examples.ids:
        if label not in labels:
            raise InvalidQuery(
                f"there are examples of {label[:80]!r}, which is not among the labels",
                "add it to the labels",
                "invalid_examples",
            )


def check_number(count: int, most: int) -> None:
    """Raises InvalidQuery for more examples in all, or `most` of one label, than the limits."""
    if count > MAX_EXAMPLES or most > MAX_SHOTS:
        raise InvalidQuery(
            f"there are {count:,} examples, up to {most:,} of a label",
            f"send up to {MAX_EXAMPLES} examples, {MAX_SHOTS} of a label",
            "invalid_examples",
        )


def _labeled(pairs: Sequence[tuple[str, Embedding]]) -> LabeledImages:
    vectors = [vector for _, vector in pairs]
    images = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    return LabeledImages(images, [label for label, _ in pairs])
