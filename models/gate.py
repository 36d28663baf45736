"""Measures a model against its float32 original, and says what speaks against shipping it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.evaluation.parity import (
    Cosines,
    Limits,
    batch_faults,
    cosine_faults,
    cosines,
    overlap_faults,
    recall_faults,
)
from models.evaluation.samples import Vectors
from models.quantise import Floats
from models.recall import Recall, recall, top_overlap


@dataclass(frozen=True)
class Parity:
    """The figures for a manifest's `quality`; recalls and overlaps in percent."""

    text_to_image_float32: Recall
    text_to_image: Recall
    text_to_image_top10_overlap: float
    image_to_image_top10_overlap: float
    image_cosine_to_float32: Cosines
    text_cosine_to_float32: Cosines
    image_cosine_alone_to_batch: Cosines
    text_cosine_alone_to_batch: Cosines
    photos: int

    def as_manifest(self) -> dict[str, Any]:
        return asdict(self)


def compare(shipped: Vectors, images: Floats, texts: Floats) -> Parity:
    """`images` and `texts` are float32's: [N, D], in the same order.

    Pictures are indexed in batches and words are asked one by one, so recalls are taken so.
    """
    return Parity(
        text_to_image_float32=recall(texts, images),
        text_to_image=recall(shipped.texts_alone, shipped.images),
        text_to_image_top10_overlap=top_overlap(shipped.texts_alone, shipped.images, texts, images),
        image_to_image_top10_overlap=_likeness_overlap(shipped.images, images),
        image_cosine_to_float32=cosines(shipped.images, images),
        text_cosine_to_float32=cosines(shipped.texts_alone, texts),
        image_cosine_alone_to_batch=cosines(shipped.images, shipped.images_alone),
        text_cosine_alone_to_batch=cosines(shipped.texts, shipped.texts_alone),
        photos=len(images),
    )


def faults(found: Parity, limits: Limits) -> list[str]:
    """Every reason to refuse the model; empty if there is none."""
    words, likeness = found.text_to_image_top10_overlap, found.image_to_image_top10_overlap
    return [
        *recall_faults(found.text_to_image, found.text_to_image_float32, limits),
        *overlap_faults("text → image", words, limits),
        *overlap_faults("image → image", likeness, limits),
        *cosine_faults("image graph", found.image_cosine_to_float32, limits),
        *cosine_faults("text graph", found.text_cosine_to_float32, limits),
        *batch_faults("image graph", found.image_cosine_alone_to_batch, limits),
        *batch_faults("text graph", found.text_cosine_alone_to_batch, limits),
    ]


def _likeness_overlap(shipped: Floats, exact: Floats) -> float:
    """Pictures are asked for their likes; each is its own, which is no merit."""
    overlaps = []
    for place in range(len(exact)):
        others = np.arange(len(exact)) != place
        one = slice(place, place + 1)
        overlaps.append(top_overlap(shipped[one], shipped[others], exact[one], exact[others]))
    return round(float(np.mean(overlaps)), 1)
