"""The gate: a shipped graph that differs too much from its float32 source is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.quantise import Floats
from models.recall import Recall

RECALL_TARGETS: Recall = {"R@1": 50, "R@5": 78, "R@10": 88}
# With 85 photos one is 1.2 points: one may be lost, two may not.
LARGEST_RECALL_LOSS = 2.0
SMALLEST_MEDIAN_COSINE, SMALLEST_COSINE = 0.999, 0.99
SMALLEST_BATCH_COSINE = 0.9999
LARGEST_FOLDER = 40_000_000


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


def cosine_faults(name: str, found: Cosines) -> list[str]:
    return [
        f"{name}: {which} cosine to float32 is {value:.4f}, below {least}"
        for which, value, least in (
            ("median", found.median, SMALLEST_MEDIAN_COSINE),
            ("worst", found.worst, SMALLEST_COSINE),
        )
        if not value >= least
    ]


def batch_faults(name: str, found: Cosines) -> list[str]:
    if found.worst >= SMALLEST_BATCH_COSINE:
        return []
    return [
        f"{name}: alone and in a batch differ, worst cosine {found.worst:.6f}, "
        f"below {SMALLEST_BATCH_COSINE}"
    ]


def recall_faults(shipped: Recall, reference: Recall) -> list[str]:
    lost = [
        f"{cut} is {shipped[cut]}, more than {LARGEST_RECALL_LOSS} below float32's {best}"
        for cut, best in reference.items()
        if not shipped[cut] >= best - LARGEST_RECALL_LOSS
    ]
    low = [
        f"{cut} is {shipped[cut]}, below the target of {target}"
        for cut, target in RECALL_TARGETS.items()
        if not shipped[cut] >= target
    ]
    return lost + low


def size_faults(total_bytes: int) -> list[str]:
    if total_bytes <= LARGEST_FOLDER:
        return []
    return [f"the folder has {total_bytes:,} bytes, more than {LARGEST_FOLDER:,}"]


def refuse(faults: list[str]) -> None:
    """Raises ParityError if there is any fault."""
    if faults:
        raise ParityError("not fit to ship:\n" + "\n".join(f"- {fault}" for fault in faults))
