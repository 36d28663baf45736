"""Parity of a quantized model with its float32 original: figures, limits and faults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models import Floats
from models.evaluation.metrics import Recall, recall, top_overlap
from models.evaluation.samples import Vectors

RECALL_TARGETS: Recall = {"R@1": 50, "R@5": 78, "R@10": 88}
# One of 85 photos is 1.2 points: a loss of one is accepted, a loss of two is not.
LARGEST_RECALL_LOSS = 2.0
SMALLEST_MEDIAN_COSINE, SMALLEST_COSINE = 0.999, 0.99
SMALLEST_BATCH_COSINE = 0.9999
LARGEST_FOLDER = 40_000_000


@dataclass(frozen=True)
class Limits:
    """Minimum figures of an accepted model; the defaults are those of the starter model.

    Recalls and overlaps are in percent, `recall_loss` in points; `recall` is absolute.
    """

    median_cosine: float = SMALLEST_MEDIAN_COSINE
    worst_cosine: float = SMALLEST_COSINE
    batch_cosine: float = SMALLEST_BATCH_COSINE
    recall_loss: float = LARGEST_RECALL_LOSS
    top10_overlap: float = 90.0
    recall: Recall = field(default_factory=lambda: dict(RECALL_TARGETS))


STARTER = Limits()


class ParityError(Exception):
    """The model is rejected; the message lists all reasons."""


@dataclass(frozen=True)
class Cosines:
    """Cosines of vectors with their reference."""

    median: float
    worst: float


def cosines(shipped: Floats, reference: Floats) -> Cosines:
    """Row by row, of two matrices [N, D]."""
    lengths = np.linalg.norm(shipped, axis=1) * np.linalg.norm(reference, axis=1)
    each = (shipped * reference).sum(axis=1) / lengths
    return Cosines(round(float(np.median(each)), 6), round(float(each.min()), 6))


def cosine_faults(name: str, found: Cosines, limits: Limits = STARTER) -> list[str]:
    return [
        f"{name}: {which} cosine to float32 is {value:.4f}, below {least}"
        for which, value, least in (
            ("median", found.median, limits.median_cosine),
            ("worst", found.worst, limits.worst_cosine),
        )
        if not value >= least
    ]


def batch_faults(name: str, found: Cosines, limits: Limits = STARTER) -> list[str]:
    if found.worst >= limits.batch_cosine:
        return []
    return [
        f"{name}: vectors depend on the batch, worst cosine {found.worst:.6f}, "
        f"below {limits.batch_cosine}"
    ]


def recall_faults(shipped: Recall, reference: Recall, limits: Limits = STARTER) -> list[str]:
    lost = [
        f"{cut} is {shipped[cut]}, more than {limits.recall_loss} below float32's {best}"
        for cut, best in reference.items()
        if not shipped[cut] >= best - limits.recall_loss
    ]
    low = [
        f"{cut} is {shipped[cut]}, below the target of {target}"
        for cut, target in limits.recall.items()
        if not shipped[cut] >= target
    ]
    return lost + low


def overlap_faults(name: str, overlap: float, limits: Limits = STARTER) -> list[str]:
    if overlap >= limits.top10_overlap:
        return []
    return [f"{name}: {overlap} % overlap with float32's first 10, below {limits.top10_overlap}"]


def size_faults(total_bytes: int) -> list[str]:
    if total_bytes <= LARGEST_FOLDER:
        return []
    return [f"the folder has {total_bytes:,} bytes, more than {LARGEST_FOLDER:,}"]


def refuse(faults: list[str]) -> None:
    """Raises ParityError if there is any fault."""
    if faults:
        raise ParityError("rejected:\n" + "\n".join(f"- {fault}" for fault in faults))


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
    """Compare with float32 `images` and `texts`, [N, D], in the same order.

    As in use, recalls compare images embedded in batches with texts embedded one by one.
    """
    return Parity(
        text_to_image_float32=recall(texts, images),
        text_to_image=recall(shipped.texts_alone, shipped.images),
        text_to_image_top10_overlap=top_overlap(shipped.texts_alone, shipped.images, texts, images),
        image_to_image_top10_overlap=_image_overlap(shipped.images, images),
        image_cosine_to_float32=cosines(shipped.images, images),
        text_cosine_to_float32=cosines(shipped.texts_alone, texts),
        image_cosine_alone_to_batch=cosines(shipped.images, shipped.images_alone),
        text_cosine_alone_to_batch=cosines(shipped.texts, shipped.texts_alone),
        photos=len(images),
    )


def faults(found: Parity, limits: Limits) -> list[str]:
    """The reasons to reject the model; empty if there are none."""
    texts, images = found.text_to_image_top10_overlap, found.image_to_image_top10_overlap
    return [
        *recall_faults(found.text_to_image, found.text_to_image_float32, limits),
        *overlap_faults("text → image", texts, limits),
        *overlap_faults("image → image", images, limits),
        *cosine_faults("image graph", found.image_cosine_to_float32, limits),
        *cosine_faults("text graph", found.text_cosine_to_float32, limits),
        *batch_faults("image graph", found.image_cosine_alone_to_batch, limits),
        *batch_faults("text graph", found.text_cosine_alone_to_batch, limits),
    ]


def _image_overlap(shipped: Floats, exact: Floats) -> float:
    """Overlap of image-to-image results, without each query itself."""
    overlaps = []
    for row in range(len(exact)):
        others = np.arange(len(exact)) != row
        one = slice(row, row + 1)
        overlaps.append(top_overlap(shipped[one], shipped[others], exact[one], exact[others]))
    return round(float(np.mean(overlaps)), 1)
