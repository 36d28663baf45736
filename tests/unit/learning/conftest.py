"""A made world of 24 dimensions: groups of images, and users with a word of their own for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from imagesearch.calibration.evidence import PARTNER_EDIT, CalibrationVectors, Edited
from imagesearch.calibration.relevance_fit import Backgrounds
from imagesearch.learning.adapters import AdapterStore, Space
from imagesearch.learning.opinions import Opinion
from imagesearch.search.relevance import Modality
from tests.support.fakes import FakeDerived

DIMENSION, GROUPS, EACH, PHRASES = 24, 6, 6, 8


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


@dataclass
class World:
    """images [36, D], six a group; queries [48, D], eight a group; the samples of the model."""

    images: np.ndarray
    queries: np.ndarray
    vectors: CalibrationVectors
    backgrounds: Backgrounds

    def opinions(self, user="", phrases=range(4), upside_down=False, day=1):
        """Opinions on three right and three wrong images for each query of these phrases."""
        draw = np.random.default_rng(len(user) + day)
        return [
            Opinion(
                f"2026-01-{day:02}T00:00:{phrase:02}",
                Modality.TEXT,
                self.queries[group * PHRASES + phrase],
                str(image),
                self.images[image],
                (image // EACH == group) != upside_down,
                user,
            )
            for group in range(GROUPS)
            for phrase in phrases
            for image in (
                *draw.choice(EACH, 3, replace=False) + group * EACH,
                *(
                    (draw.choice(EACH, 3) + (group + 1 + draw.integers(5)) * EACH)
                    % len(self.images)
                ),
            )
        ]

    def mrr(self, map=None, phrases=range(4, 8)):
        """The MRR of queries on which nobody gave an opinion."""
        rows = [group * PHRASES + phrase for group in range(GROUPS) for phrase in phrases]
        queries = map.applied(self.queries[rows]) if map else self.queries[rows]
        ranked = np.argsort(-(queries @ self.images.T), axis=1) // EACH
        firsts = [
            list(order).index(row // PHRASES) for row, order in zip(rows, ranked, strict=True)
        ]
        return float(np.mean([1 / (1 + first) for first in firsts]))


def make_world(own_words: bool) -> World:
    draw = np.random.default_rng(3)
    centers = unit(draw.normal(size=(GROUPS, DIMENSION)))
    noise = draw.normal(size=(GROUPS * EACH, DIMENSION)) * 0.1
    images = unit(np.repeat(centers, EACH, axis=0) + noise)
    words = unit(draw.normal(size=(GROUPS, DIMENSION))) if own_words else centers
    phrases = draw.normal(size=(GROUPS * PHRASES, DIMENSION)) * 0.08
    queries = unit(np.repeat(words, PHRASES, axis=0) + phrases)
    photos = unit(draw.normal(size=(40, DIMENSION)))
    vectors = CalibrationVectors(
        captions=unit(photos + draw.normal(size=photos.shape) * 0.05),
        photos=photos,
        edits={PARTNER_EDIT: Edited.every(unit(photos + draw.normal(size=photos.shape) * 0.05))},
        unanswerable={},
        labels=photos,
        kinds=np.array([f"kind {number % 20}" for number in range(40)]),
    )
    return World(images, queries, vectors, Backgrounds(photos, photos))


@pytest.fixture
def world() -> World:
    return make_world(own_words=True)


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def space() -> Space:
    return Space("fake", "space", "0123456789abcdef", DIMENSION)


@pytest.fixture
def adapters(derived, space) -> AdapterStore:
    return AdapterStore(derived, space)
