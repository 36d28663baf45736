"""How sure one may be that two images show the same picture: copied, cut, edited or mirrored.

How far two perceptual hashes are from each other, a mirrored picture being the same one.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document
from imagesearch.duplicates.miniatures import Miniature, overlap
from imagesearch.duplicates.page_agreement import Detail, agreement_logit

BITS = 64
# A bit says whether one of 8 x 8 frequencies is positive, row by row: in a mirror, every second
# column changes its sign.
_MIRRORED = 0x5555_5555_5555_5555


def hash_distance(one: str, other: str) -> int:
    """In how many bits two hashes of 16 hexadecimal digits differ, or one and the other mirrored.

    0 for copies, about 30 for pictures that have nothing to do with each other.
    """
    differing = int(one, 16) ^ int(other, 16)
    return min(differing.bit_count(), (differing ^ _MIRRORED).bit_count())


# What one may rely on without looking: docs/explanation/duplicates.md has what was measured at it.
THRESHOLD = 0.95
# Less sure pairs are not noted when images are linked.
LEAST_CONFIDENCE = 0.8
MOST_CONFIDENCE = 0.9999
# From here two hashes are as far apart as those of pictures that have nothing in common.
FAR = BITS // 2


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of evidence counts, fitted for a model by `models/evaluation/duplicates.py`.

    The embedding knows what a picture shows and would take two red cars for one; hash and overlap
    know where it is light and dark and nothing else: a duplicate has both for it.
    """

    cosine: float
    hash: float
    overlap: float
    bias: float

    def min_cosine(self, confidence: float) -> float | None:
        """The cosine below which no other evidence gets there; None where any may do."""
        if self.cosine <= 0:
            return None
        logit = math.log(confidence / (1 - confidence))
        return max(-1.0, (logit - self.bias - self.hash - self.overlap) / self.cosine)


@dataclass(frozen=True)
class Fingerprint:
    """How a picture looks, apart from its embedding; None where that was not recorded.

    What is recorded and cannot be read is as if it had not been recorded.
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
        """How many bits of both hashes differ; None where one is missing."""
        if not (self.phash and other.phash):
            return None
        try:
            return hash_distance(self.phash, other.phash)
        except ValueError:
            return None

    @cached_property
    def detail(self) -> Detail | None:
        """None for what looks like a photo, was recorded by an older release or is damaged."""
        if self.miniature is None or not self.contrasts_text:
            return None
        try:
            return Detail.of(self.miniature, self.contrasts_text)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Similarity:
    """`score` is the cosine of the embeddings, `distance` that of the hashes in bits of 64.

    `confidence` from 0 to 1 is what both and the overlap come to.
    """

    score: float
    distance: int | None
    confidence: float


def check_threshold(threshold: float) -> None:
    if not LEAST_CONFIDENCE <= threshold <= MOST_CONFIDENCE:
        raise InvalidQuery(
            f"threshold is {threshold}",
            f"it is the least confidence: ask for {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}",
            "invalid_threshold",
        )


def similarity(
    weights: Weights, score: float, one: Fingerprint, other: Fingerprint, least: float
) -> Similarity | None:
    """The likeness of two pictures whose embeddings have this cosine; None below `least`.

    Where a hash or miniature is missing, it is evidence for nothing. Contrast maps are never
    evidence for a duplicate: where both are there, pages whose details differ are none. One of
    the two must surely be a page.
    """
    distance = one.distance(other)
    agreement = 0.0 if distance is None else 1 - min(distance, FAR) / FAR
    known = weights.bias + weights.cosine * score + weights.hash * agreement
    # Overlap takes a thousand times as long as the rest: most pairs cannot get there with it.
    if _sigmoid(known + weights.overlap) < least:
        return None
    confidence = _sigmoid(known + weights.overlap * _overlap(one, other))
    if confidence >= least:
        confidence = min(confidence, _sigmoid(agreement_logit(one.detail, other.detail)))
    return Similarity(score, distance, confidence) if confidence >= least else None


def _overlap(one: Fingerprint, other: Fingerprint) -> float:
    if one.miniature is None or other.miniature is None:
        return 0.0
    return overlap(one.miniature, other.miniature)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
