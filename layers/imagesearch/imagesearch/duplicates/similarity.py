"""Similarity: the confidence that two images are duplicates (copied, cropped, edited, mirrored)."""

import math
from dataclasses import dataclass
from functools import cached_property

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document
from imagesearch.duplicates.miniatures import Miniature, overlap
from imagesearch.duplicates.page_agreement import Detail, agreement_logit

# The default confidence of a duplicate; docs/explanation/duplicates.md has the measurements.
THRESHOLD = 0.95
# Pairs with a lower confidence are not linked.
MIN_CONFIDENCE = 0.8
MAX_CONFIDENCE = 0.9999
# Below, different images of one kind are similar; above, copies with an edit are not.
COPY_COSINES = (0.8, 0.95)
HASH_BITS = 64
# Hashes of unrelated images differ in about half of their bits.
FAR = HASH_BITS // 2
# Each bit is the sign of one of 8 x 8 frequencies, row by row: mirroring an image inverts the sign
# of every second column.
_MIRROR_MASK = 0x5555_5555_5555_5555


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the evidence for a duplicate, fitted by `models/evaluation/duplicates.py`.

    Embeddings represent the content: those of two red cars are similar. Hash and overlap represent
    the distribution of light and dark. A duplicate has to be similar in both.
    """

    cosine: float
    hash: float
    overlap: float
    bias: float

    def min_cosine(self, confidence: float) -> float | None:
        """The cosine below which no other evidence suffices for this confidence; None if none."""
        if self.cosine <= 0:
            return None
        logit = math.log(confidence / (1 - confidence))
        return max(-1.0, (logit - self.bias - self.hash - self.overlap) / self.cosine)

    @property
    def copy_cosine(self) -> float:
        """The cosine at which an image with half of the other evidence is as likely a copy as not.

        For decisions on embeddings alone; in `COPY_COSINES` for any weights.
        """
        least, most = COPY_COSINES
        if self.cosine <= 0:
            return most
        return min(most, max(least, -(self.bias + (self.hash + self.overlap) / 2) / self.cosine))


@dataclass(frozen=True)
class Fingerprint:
    """The recorded hash, miniature and contrast map of an image; None if not recorded.

    Invalid values are treated as not recorded.
    """

    phash: str | None
    miniature_text: str | None
    contrasts_text: str | None = None

    @classmethod
    def of(cls, document: Document) -> "Fingerprint":
        return cls(document.phash, document.miniature, document.contrasts)

    @cached_property
    def miniature(self) -> Miniature | None:
        try:
            return Miniature.of(self.miniature_text) if self.miniature_text else None
        except ValueError:
            return None

    def distance(self, other: "Fingerprint") -> int | None:
        """The distance of the hashes in bits; None if one is missing."""
        if not (self.phash and other.phash):
            return None
        try:
            return hash_distance(self.phash, other.phash)
        except ValueError:
            return None

    @cached_property
    def detail(self) -> Detail | None:
        """The details of a page; None for photos and records of older releases."""
        if self.miniature is None or not self.contrasts_text:
            return None
        try:
            return Detail.of(self.miniature, self.contrasts_text)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Similarity:
    """The similarity of two images.

    score: the cosine of the embeddings.
    distance: the distance of the hashes, in bits of 64; None if one is missing.
    confidence: the probability in [0, 1] that the images are duplicates.
    """

    score: float
    distance: int | None
    confidence: float


def check_threshold(threshold: float) -> None:
    """Raises InvalidQuery for a confidence out of range."""
    if not MIN_CONFIDENCE <= threshold <= MAX_CONFIDENCE:
        raise InvalidQuery(
            f"threshold is {threshold}",
            f"use a confidence from {MIN_CONFIDENCE} to {MAX_CONFIDENCE}",
            "invalid_threshold",
        )


def similarity(
    weights: Weights, score: float, one: Fingerprint, other: Fingerprint, threshold: float
) -> Similarity | None:
    """The similarity of two images with the cosine `score`; None below the confidence `threshold`.

    A missing hash or miniature is no evidence. Contrast maps can only lower the confidence: pages
    whose details differ are not duplicates, if at least one of the two is certainly a page.
    """
    distance = one.distance(other)
    agreement = 0.0 if distance is None else 1 - min(distance, FAR) / FAR
    known = weights.bias + weights.cosine * score + weights.hash * agreement
    # The overlap takes 1,000 times as long as the rest; most pairs cannot reach the threshold.
    if _sigmoid(known + weights.overlap) < threshold:
        return None
    confidence = _sigmoid(known + weights.overlap * _overlap(one, other))
    if confidence >= threshold:
        confidence = min(confidence, _sigmoid(agreement_logit(one.detail, other.detail)))
    return Similarity(score, distance, confidence) if confidence >= threshold else None


def _overlap(one: Fingerprint, other: Fingerprint) -> float:
    if one.miniature is None or other.miniature is None:
        return 0.0
    return overlap(one.miniature, other.miniature)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


def hash_distance(one: str, other: str) -> int:
    """The Hamming distance of two hashes of 16 hexadecimal digits, the lower one with mirroring.

    0 for copies, about 30 for unrelated images.
    """
    differing = int(one, 16) ^ int(other, 16)
    return min(differing.bit_count(), (differing ^ _MIRROR_MASK).bit_count())
