"""Files in batches that fit into memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imagesearch.indexing.planner import Present


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file, and on the files that are held in memory at a time."""

    file_bytes: int = 64 * 2**20
    batch_images: int = 16
    batch_bytes: int = 96 * 2**20


def batches(found: Iterable[Present], limits: Limits) -> Iterator[list[Present]]:
    """Bounded in number and in bytes; one that is over the bytes alone is a batch of its own."""
    batch: list[Present] = []
    for one in found:
        size = sum(other.state.size for other in batch) + one.state.size
        full = len(batch) == limits.batch_images or size > limits.batch_bytes
        if batch and full:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch
