"""A process that writes images into an embedded index, batch by batch, and says so after each.

Arguments: file, index, name of the writer, images in a batch, number of batches.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from imagesearch.adapters.embedded_index import EmbeddedIndex
from imagesearch.domain import Document, ImageRef, Status
from imagesearch.writes import Put, WriteStatus

path, index_name, writer, batch, batches = sys.argv[1:]
size = int(batch)
index = EmbeddedIndex(Path(path), index_name, 4)
now = datetime.now(UTC)


def put(key: str) -> Put:
    document = Document(
        ImageRef("bucket", key), Status.INDEXED, "e", now, 1, now, "test", "decoder"
    )
    return Put(document, np.array([1, 0, 0, 0], np.float32), None)


for number in range(int(batches)):
    first = number * size
    results = index.write([put(f"{writer}/{first + place:06}") for place in range(size)])
    assert all(result.status is WriteStatus.WRITTEN for result in results), results
    sys.stdout.write(f"{first + size}\n")
    sys.stdout.flush()
