"""Reports of S3 Inventory about the bucket `photos`, in the bucket `inventory`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
FOLDER = "reports/photos/daily"
TIME = "2026-01-05T10:11:12.000Z"
CREATED = datetime(2026, 1, 5, 12, tzinfo=UTC)


def row(key: str, latest: str = "true", deleted: str = "false", **changed: str) -> list[str]:
    """The line of a version; `changed` has other values of columns."""
    of_key = {
        "Bucket": "photos",
        "Key": quote_plus(key),
        "VersionId": "v1",
        "IsLatest": latest,
        "IsDeleteMarker": deleted,
        "Size": str(len(key)),
        "LastModifiedDate": TIME,
        "ETag": f"etag of {key}",
    }
    return list((of_key | changed).values())


def rows_of(s3: Any, bucket: str) -> list[list[str]]:
    """The lines about the current objects of a bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [
        row(
            each["Key"],
            Size=str(each["Size"]),
            LastModifiedDate=f"{each['LastModified']:%Y-%m-%dT%H:%M:%S.000Z}",
            ETag=each["ETag"].strip('"'),
        )
        for page in pages
        for each in page.get("Contents", ())
    ]


def damaged(objects: dict[str, bytes]) -> dict[str, bytes]:
    """The same reports with files that end early."""
    return {key: data[:-9] if key.endswith(".gz") else data for key, data in objects.items()}


def report(*files: list[list[str]], **changed: str) -> dict[str, bytes]:
    """The objects of a bucket with an older and a newer report."""
    made = {}
    for number, rows in enumerate(files):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
        made[f"{FOLDER}/data/{number}.csv.gz"] = gzip.compress(text.getvalue().encode())
    manifest = {
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::inventory",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": [{"key": key} for key in made],
    }
    made[f"{FOLDER}/2026-01-04T01-00Z/manifest.json"] = b"{}"
    made[f"{FOLDER}/2026-01-05T01-00Z/manifest.json"] = json.dumps(manifest | changed).encode()
    return made
