"""The bucket of a smoke test: an S3 bucket, or the folder of a local server."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from local.errors import UsageError
from local.smoke.images import SmokeImage


class SmokeBucket(Protocol):
    """Writes and deletes the objects of a smoke test.

    Methods raise OSError, or the errors of botocore.
    """

    is_local: bool

    def put(self, image: SmokeImage) -> None:
        """Write an object; replaces an older one."""

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is no error."""

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix that ends with a slash."""

    def delete_versions(self, prefix: str) -> int:
        """Delete the versions that a bucket keeps of deleted objects, and return their number."""


class S3Bucket:
    is_local = False

    def __init__(self, name: str, s3: Any) -> None:
        self._name, self._s3 = name, s3

    def put(self, image: SmokeImage) -> None:
        self._s3.put_object(
            Bucket=self._name, Key=image.key, Body=image.data, ContentType=image.content_type
        )

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._name, Key=key)

    def keys(self, prefix: str) -> list[str]:
        listed = self._s3.list_objects_v2(Bucket=self._name, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", ())]

    def delete_versions(self, prefix: str) -> int:
        listed = self._s3.list_object_versions(Bucket=self._name, Prefix=prefix)
        versions = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
        for each in versions:
            self._s3.delete_object(Bucket=self._name, Key=each["Key"], VersionId=each["VersionId"])
        return len(versions)


class FolderBucket:
    is_local = True

    def __init__(self, folder: Path) -> None:
        """Raises UsageError if the folder does not exist."""
        self._folder = folder.expanduser().resolve()
        if not self._folder.is_dir():
            raise UsageError(f"{folder} does not exist or is not a folder")

    def put(self, image: SmokeImage) -> None:
        path = self._folder / image.key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")  # hidden files are not indexed
        part.write_bytes(image.data)
        part.replace(path)

    def delete(self, key: str) -> None:
        path = self._folder / key
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other files are in the folder
            while path.parent != self._folder:
                path = path.parent
                path.rmdir()

    def keys(self, prefix: str) -> list[str]:
        found = (self._folder / prefix).rglob("*")
        return [each.relative_to(self._folder).as_posix() for each in found if each.is_file()]

    def delete_versions(self, prefix: str) -> int:  # noqa: ARG002 - a folder keeps none
        return 0


def smoke_bucket(text: str) -> SmokeBucket:
    """The bucket that `--bucket` names; a text with a path separator is a folder.

    Raises UsageError.
    """
    from local.aws.clients import aws_client, s3_location

    if "://" not in text and (os.sep in text or text in (os.curdir, os.pardir)):
        return FolderBucket(Path(text))
    location = s3_location(text if "://" in text else f"s3://{text}")
    if location.prefix:
        raise UsageError(f"--bucket {text!r}: give the bucket without a prefix")
    return S3Bucket(location.bucket, aws_client("s3"))
