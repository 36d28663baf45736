"""Claims: identical bytes under other keys or as new uploads are embedded once, also on S3."""

from collections.abc import Callable

import pytest

from tests.support.aws.cloud import BUCKET

PANDA = "animals/giant-panda"


@pytest.fixture
def work(queue, index_images) -> Callable[[], None]:
    return lambda: queue.drain(index_images)


@pytest.fixture
def records(index):
    """All records by key."""
    return lambda: {scanned.document.ref.key: scanned.document for scanned in index.scan()}


def copy(cloud, old: str, new: str) -> None:
    cloud.s3.copy_object(Bucket=BUCKET, Key=new, CopySource={"Bucket": BUCKET, "Key": old})


def test_a_copied_object_is_not_embedded(cloud, work, images, records, derived, sample):
    cloud.put("a.webp", sample(PANDA), label="bear")
    work()
    copy(cloud, "a.webp", "b/copy.webp")
    work()
    assert images.images == 1
    first, second = records()["a.webp"], records()["b/copy.webp"]
    assert (second.sha256, second.width, second.metadata) == (
        first.sha256,
        first.width,
        {"label": "bear"},
    )
    assert second.thumbnail != first.thumbnail
    assert derived.get(second.thumbnail) == derived.get(first.thumbnail)


def test_a_renamed_object_is_not_embedded(cloud, work, images, records, sample):
    """A rename in S3 is a copy and a deletion, often in one batch."""
    cloud.put("a.webp", sample(PANDA))
    work()
    copy(cloud, "a.webp", "b.webp")
    cloud.delete("a.webp")
    work()
    assert images.images == 1
    assert records().keys() == {"b.webp"}


def test_a_multipart_upload_of_the_same_bytes_is_not_embedded(
    cloud, work, images, records, derived, sample
):
    """The ETag of a multipart upload is not a digest of its bytes."""
    cloud.put("a.webp", sample(PANDA))
    work()
    before = records()["a.webp"]
    named = {"Bucket": BUCKET, "Key": "a.webp"}
    upload = named | {"UploadId": cloud.s3.create_multipart_upload(**named)["UploadId"]}
    part = cloud.s3.upload_part(**upload, PartNumber=1, Body=sample(PANDA))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    cloud.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    work()
    after = records()["a.webp"]
    assert after.etag != before.etag
    assert (after.sha256, after.thumbnail) == (before.sha256, before.thumbnail)
    assert derived.get(after.thumbnail)
    assert images.images == 1


def test_copies_in_one_upload_are_embedded_once(cloud, work, images, records, sample):
    for number in range(4):
        cloud.put(f"{number}.webp", sample(PANDA))
    work()
    assert len(records()) == 4
    assert images.images == 1
