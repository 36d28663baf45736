"""A report of S3 Inventory, which costs half of the list requests.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.client import s3_client, status_of
from imagesearch.domain.errors import ImageSearchError, Unavailable, UnusableReport
from imagesearch.domain.ports import ReportedObject

MANIFEST = "manifest.json"
COLUMNS = ("Key", "ETag", "LastModifiedDate", "Size")
# Columns of a report of all versions, with the value of a current object.
VERSION_COLUMNS = {"IsLatest": "true", "IsDeleteMarker": "false"}
# The folder of a report that is being written has no manifest yet.
NEWEST = 3


class S3InventoryReport:
    """Implements InventoryReport; `uri` names a manifest.json, or a prefix with dated folders.

    Below a prefix, the newest report that has a manifest is opened: S3 writes the manifest last.
    Raises UnusableReport for a report of another bucket, in another format than CSV, or without a
    column of COLUMNS, and Unavailable.
    """

    def __init__(self, uri: str, bucket: str, client: Any = None) -> None:
        self._s3 = client or s3_client()[0]
        location, _, path = uri.removeprefix("s3://").partition("/")
        keys = [path] if path.endswith(f"/{MANIFEST}") else self._manifests(location, path)
        self.uri, manifest = self._first(location, keys, uri)
        try:
            self._parse(manifest)
            source, format = manifest["sourceBucket"], manifest["fileFormat"]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UnusableReport(f"{self.uri} is not a manifest of S3 Inventory") from error
        self._check(bucket, source, format)

    @property
    def files(self) -> int:
        return len(self._keys)

    def objects(self, file: int) -> Iterator[ReportedObject]:
        """Without delete markers and versions that are not the latest."""
        key, etag, modified, size = (self._schema.index(name) for name in COLUMNS)
        wanted = [
            (self._schema.index(name), value)
            for name, value in VERSION_COLUMNS.items()
            if name in self._schema
        ]
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=self._keys[file])["Body"]
            with body, gzip.open(body, "rt", encoding="utf-8", newline="") as text:
                for row in csv.reader(text):
                    if all(row[column] == value for column, value in wanted):
                        yield unquote_plus(row[key]), row[etag], row[modified], int(row[size])
        except (ClientError, BotoCoreError) as error:
            raise self._error(self._bucket, self._keys[file], error) from error
        except (OSError, EOFError, zlib.error, csv.Error, ValueError, IndexError) as error:
            location = f"s3://{self._bucket}/{self._keys[file]}"
            raise UnusableReport(f"{location} is damaged: {error}") from error

    def _parse(self, manifest: Any) -> None:
        self._schema = [name.strip() for name in manifest["fileSchema"].split(",")]
        self._keys = [each["key"] for each in manifest["files"]]
        self._bucket = manifest["destinationBucket"].rpartition(":")[2]
        self.created = datetime.fromtimestamp(int(manifest["creationTimestamp"]) / 1000, UTC)

    def _check(self, bucket: str, source: str, format: str) -> None:
        if source != bucket:
            raise UnusableReport(f"{self.uri} is an inventory of s3://{source}")
        if format != "CSV":
            raise UnusableReport(f"{self.uri} has the format {format}: configure CSV")
        if missing := [name for name in COLUMNS if name not in self._schema]:
            raise UnusableReport(
                f"{self.uri} lacks {missing[0]}: add it to the inventory's configuration"
            )

    def _manifests(self, bucket: str, prefix: str) -> list[str]:
        """Reports are in folders that are named by their time, such as 2026-01-31T01-00Z."""
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=folder, Delimiter="/"
        )
        try:
            folders = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
        except (ClientError, BotoCoreError) as error:
            raise self._error(bucket, folder, error) from error
        dated = [each for each in folders if each.removeprefix(folder)[:1].isdigit()]
        return [each + MANIFEST for each in sorted(dated, reverse=True)[:NEWEST]]

    def _first(self, bucket: str, keys: list[str], uri: str) -> tuple[str, Any]:
        """The location and the content of the first manifest that exists."""
        missing: ImageSearchError = UnusableReport(f"{uri} has no report of S3 Inventory")
        for key in keys:
            try:
                data = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                return f"s3://{bucket}/{key}", json.loads(data)
            except (ClientError, BotoCoreError) as error:
                # A role that may list a prefix, and not the bucket, gets 403 for a missing object.
                missing = self._error(bucket, key, error)
                if status_of(error) not in (403, 404):
                    raise missing from error
            except ValueError as error:
                raise UnusableReport(f"s3://{bucket}/{key} is not JSON") from error
        raise missing

    def _error(self, bucket: str, key: str, error: Exception) -> ImageSearchError:
        """A missing object or permission remains missing; an error of the service may pass."""
        remains = 300 <= (status_of(error) or 0) < 500
        kind = UnusableReport if remains else Unavailable
        return kind(f"cannot read s3://{bucket}/{key}: {error}")
