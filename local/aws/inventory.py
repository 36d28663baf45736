"""A bucket's listing from a report of S3 Inventory, sorted on local disk."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.s3.inventory import S3InventoryReport
from imagesearch.domain.errors import Unavailable, UnusableReport
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import ReportedObject
from local.aws.clients import aws_client, s3_location
from local.errors import UsageError


class InventoriedStore(S3Store):
    """A bucket whose objects are read from S3, and whose listing is a report of S3 Inventory.

    The files of a report are not ordered by key. They are sorted in a temporary file, about as
    large as the unpacked report. Raises UsageError for a report that cannot be used.
    """

    def __init__(self, bucket: str, uri: str, client: Any = None) -> None:
        super().__init__(bucket, client)
        with _errors_as_usage_errors():
            self._report = S3InventoryReport(
                str(s3_location(uri)), bucket, client or aws_client("s3")
            )

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """As of the time of the report, in the order of the keys' UTF-8 bytes."""
        with tempfile.NamedTemporaryFile() as file, closing(sqlite3.connect(file.name)) as sorted_:
            sorted_.execute("PRAGMA journal_mode = OFF")
            sorted_.execute("PRAGMA synchronous = OFF")
            sorted_.execute("CREATE TABLE objects (key TEXT, etag TEXT, modified TEXT, size INT)")
            with _errors_as_usage_errors():
                sorted_.executemany("INSERT INTO objects VALUES (?, ?, ?, ?)", self._objects())
            ordered = "SELECT * FROM objects WHERE key > ? ORDER BY key"
            for key, etag, modified, size in sorted_.execute(ordered, (after,)):
                time = datetime.fromisoformat(modified).replace(microsecond=0)
                yield ImageRef(self.bucket, key), ObjectState(etag, time, size)

    def _objects(self) -> Iterator[ReportedObject]:
        for file in range(self._report.files):
            yield from self._report.objects(file)


@contextmanager
def _errors_as_usage_errors() -> Iterator[None]:
    try:
        yield
    except (Unavailable, UnusableReport) as error:
        raise UsageError(error.message) from error
