"""The gate: a shipped graph that differs too much from its float32 source is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.quantise import Floats
from models.recall import Recall

RECALL_TARGETS: Recall = {"R@1": 50, "R@5": 78, "R@10": 88}
# With 85 photos one is 1.2 points: one may be lost, two may not.
LARGEST_RECALL_LOSS = 2.0
SMALLEST_MEDIAN_COSINE, SMALLEST_COSINE = 0.999, 0.99
SMALLEST_BATCH_COSINE = 0.9999
LARGEST_FOLDER = 40_000_000


@dataclass(frozen=True)
class Limits:
    """What a model may not fall below; those of the starter model unless said otherwise.

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
    """The model is not fit to ship; the message lists every reason."""


@dataclass(frozen=True)
class Cosines:
    """How near vectors are to those that they should equal."""

    median: float
    worst: float


def cosines(shipped: Floats, reference: Floats) -> Cosines:
    """Row by row; both [N, D]."""
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
        f"{name}: alone and in a batch differ, worst cosine {found.worst:.6f}, "
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
    return [f"{name}: {overlap} % of float32's first 10 are kept, below {limits.top10_overlap}"]


def size_faults(total_bytes: int) -> list[str]:
    if total_bytes <= LARGEST_FOLDER:
        return []
    return [f"the folder has {total_bytes:,} bytes, more than {LARGEST_FOLDER:,}"]


def refuse(faults: list[str]) -> None:
    """Raises ParityError if there is any fault."""
    if faults:
        raise ParityError("not fit to ship:\n" + "\n".join(f"- {fault}" for fault in faults))
