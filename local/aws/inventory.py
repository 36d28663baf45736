"""A bucket's listing from a report of S3 Inventory, sorted on local disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.s3.inventory import S3InventoryReport
from imagesearch.domain.errors import Unavailable, UnusableReport
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import ReportedObject
from imagesearch.indexing.inventory import as_listed
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
        # A temporary file of SQLite: https://sqlite.org/inmemorydb.html#temp_db
        with closing(sqlite3.connect("")) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            table = "CREATE TABLE objects (key TEXT, etag TEXT, modified TEXT, size INT)"
            ordered = "SELECT * FROM objects WHERE key > ? ORDER BY key"
            with _errors_as_usage_errors():
                database.execute(table)
                database.executemany("INSERT INTO objects VALUES (?, ?, ?, ?)", self._objects())
                rows = database.execute(ordered, (after,))
            for reported in rows:
                yield as_listed(self.bucket, reported)

    def _objects(self) -> Iterator[ReportedObject]:
        for file in range(self._report.files):
            yield from self._report.objects(file)


@contextmanager
def _errors_as_usage_errors() -> Iterator[None]:
    try:
        yield
    except (Unavailable, UnusableReport) as error:
        raise UsageError(error.message) from error
    except sqlite3.Error as error:
        raise UsageError(
            f"cannot sort the report: {error}: set TMPDIR to a directory with more space"
        ) from error
