"""Claims: in a versioned bucket, a deletion can be undone, and old versions are not images."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from imagesearch.domain.images import ImageRef, Status
from tests.support.aws.cloud import BUCKET

KEY = "animals/panda.webp"
REF = ImageRef(BUCKET, KEY)
MARKER, PERMANENT = "Delete Marker Created", "Permanently Deleted"


@pytest.fixture
def bucket(cloud) -> Any:
    """The bucket as the template configures it."""
    enabled = {"Status": "Enabled"}
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=enabled)
    return cloud


@pytest.fixture
def event(index_images) -> Callable[..., None]:
    """Passes an event to the function as EventBridge sends it for a versioned bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    def event(kind: str, version: str, deletion: str | None = None) -> None:
        detail = {
            "version": "0",
            "bucket": {"name": BUCKET},
            "object": {"key": KEY, "version-id": version, "sequencer": "0055AED6DCD90281E5"},
            "reason": "DeleteObject" if deletion else "PutObject",
            **({"deletion-type": deletion} if deletion else {}),
        }
        body = json.dumps({"source": "aws.s3", "detail-type": kind, "detail": detail})
        record = {"eventSource": "aws:sqs", "messageId": "1", "body": body}
        assert index_images({"Records": [record]}) == {"batchItemFailures": []}

    return event


def put(bucket: Any, data: bytes) -> str:
    return bucket.s3.put_object(Bucket=BUCKET, Key=KEY, Body=data)["VersionId"]


def delete_version(bucket: Any, version: str) -> None:
    bucket.s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)


def etag(bucket: Any) -> str:
    return bucket.s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].strip('"')


def indexed(index: Any) -> Any:
    stored = index.get([REF.id]).get(REF.id)
    return stored.document if stored else None


def test_a_deletion_is_undone_by_a_copy_of_the_old_version(bucket, event, index, sample):
    version = put(bucket, sample("animals/giant-panda"))
    event("Object Created", version)
    marker = bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    event("Object Deleted", marker, MARKER)
    assert indexed(index) is None
    source = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    restored = bucket.s3.copy_object(Bucket=BUCKET, Key=KEY, CopySource=source)["VersionId"]
    event("Object Created", restored)
    assert indexed(index).status is Status.INDEXED


def test_a_deletion_is_undone_by_deleting_its_marker(bucket, event, index, sample):
    version = put(bucket, sample("animals/giant-panda"))
    event("Object Created", version)
    marker = bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    event("Object Deleted", marker, MARKER)
    delete_version(bucket, marker)
    event("Object Deleted", marker, PERMANENT)
    assert indexed(index).etag == etag(bucket)


def test_the_permanent_deletion_of_an_old_version_changes_nothing(
    bucket, event, index, images, sample
):
    old = put(bucket, sample("animals/giant-panda"))
    event("Object Created", old)
    event("Object Created", put(bucket, sample("animals/owl")))
    stored, embedded = index.get([REF.id]), images.images
    delete_version(bucket, old)
    event("Object Deleted", old, PERMANENT)
    assert index.get([REF.id]) == stored
    assert images.images == embedded


def test_the_permanent_deletion_of_the_current_version_shows_the_one_before_it(
    bucket, event, index, sample
):
    old = put(bucket, sample("animals/giant-panda"))
    event("Object Created", old)
    before = etag(bucket)
    new = put(bucket, sample("animals/owl"))
    event("Object Created", new)
    assert indexed(index).etag != before
    delete_version(bucket, new)
    event("Object Deleted", new, PERMANENT)
    assert indexed(index).etag == before == etag(bucket)


def test_old_versions_of_a_deleted_object_expire_without_an_entry(bucket, event, index, sample):
    version = put(bucket, sample("animals/giant-panda"))
    event("Object Created", version)
    marker = bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    event("Object Deleted", marker, MARKER)
    delete_version(bucket, version)
    event("Object Deleted", version, PERMANENT)
    delete_version(bucket, marker)
    event("Object Deleted", marker, PERMANENT)
    assert indexed(index) is None
