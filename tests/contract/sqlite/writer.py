"""A process that writes batches of images to an SQLite index and reports each batch.

Arguments: file, index, name of the writer, images per batch, number of batches, and the size in
bytes above which no file can be written, as on a full disk; 0 for no limit. The last line is the
error, if there is one.
"""

import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Put, WriteStatus


def main(
    path: str, index_name: str, writer: str, batch: str, batches: str, file_bytes: str
) -> None:
    size = int(batch)
    if limit := int(file_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    index = SqliteIndex(Path(path), index_name, 4)
    for number in range(int(batches)):
        first = number * size
        try:
            results = index.write([put(f"{writer}/{first + place:06}") for place in range(size)])
        except Unavailable as error:
            sys.stdout.write(f"{error.message}; {error.hint}\n")
            return
        assert all(result.status is WriteStatus.WRITTEN for result in results), results
        sys.stdout.write(f"{first + size}\n")
        sys.stdout.flush()


def put(key: str) -> Put:
    now = datetime.now(UTC)
    document = Document(
        ImageRef("bucket", key), Status.INDEXED, "e", now, 1, now, "test", "decoder"
    )
    return Put(document, np.array([1, 0, 0, 0], np.float32), None)


if __name__ == "__main__":
    main(*sys.argv[1:])
