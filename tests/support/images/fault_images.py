"""Objects of the fault tests, and changes to them while the index is unavailable."""

from typing import Any

from imagesearch.domain.images import Status
from tests.support.aws.cloud import BUCKET, Cloud
from tests.support.models.encoders import BROKEN

# In one bulk these exceed 1 MB, which the server writes to its log at once.
IMAGES_OF_A_BULK = 40


def key(number: int) -> str:
    return f"{number:05}.png"


def fill(cloud: Cloud, images: int) -> list[str]:
    """Upload this many images; returns their keys."""
    for number in range(images):
        cloud.put(key(number), b"image %d" % number)
    return [key(number) for number in range(images)]


def change(cloud: Cloud, each: int) -> int:
    """Overwrite, damage and delete `each` of the first images, and add as many.

    Returns the number of resulting messages.
    """
    for number in range(each):
        cloud.put(key(number), b"image %d, overwritten" % number)
        cloud.put(key(each + number), BROKEN + b" image")
        cloud.delete(key(2 * each + number))
        cloud.put(f"new/{key(number)}", b"new image %d" % number)
    return 4 * each


def bucket_state(cloud: Cloud) -> dict[str, tuple[str, Status, bytes]]:
    """ETag, expected status and bytes of each key in the bucket."""
    found: dict[str, tuple[str, Status, bytes]] = {}
    for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", ()):
            data = _read(cloud, entry["Key"])
            status = Status.REJECTED if data.startswith(BROKEN) else Status.INDEXED
            found[entry["Key"]] = (entry["ETag"].strip('"'), status, data)
    return found


def _read(cloud: Cloud, key: str) -> Any:
    return cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
