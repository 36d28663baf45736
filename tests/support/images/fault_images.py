"""What lies in the bucket of these tests, and how it changes while the index is in trouble."""

from typing import Any

from imagesearch.domain.images import Status
from tests.support.aws.cloud import BUCKET, Cloud
from tests.support.encoders import BROKEN

# In one bulk these are larger than what the server writes to its log in one go, 1 MB.
IMAGES_OF_A_BULK = 120


def key(number: int) -> str:
    return f"{number:05}.png"


def fill(cloud: Cloud, images: int) -> list[str]:
    """Puts so many images there; returns their keys."""
    for number in range(images):
        cloud.put(key(number), b"image %d" % number)
    return [key(number) for number in range(images)]


def change(cloud: Cloud, each: int) -> int:
    """Overwrites, breaks and deletes so many of the first images each, and adds as many.

    Returns how many messages that makes.
    """
    for number in range(each):
        cloud.put(key(number), b"image %d, overwritten" % number)
        cloud.put(key(each + number), BROKEN + b" image")
        cloud.delete(key(2 * each + number))
        cloud.put(f"new/{key(number)}", b"new image %d" % number)
    return 4 * each


def held(cloud: Cloud) -> dict[str, tuple[str, Status, bytes]]:
    """The bucket: ETag, what the index has to say of it, and bytes of each key."""
    found: dict[str, tuple[str, Status, bytes]] = {}
    for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", ()):
            data = _read(cloud, entry["Key"])
            status = Status.REJECTED if data.startswith(BROKEN) else Status.INDEXED
            found[entry["Key"]] = (entry["ETag"].strip('"'), status, data)
    return found


def _read(cloud: Cloud, key: str) -> Any:
    return cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
