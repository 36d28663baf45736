"""An S3 client in memory, with versions: as moto in the operations of this product, but faster.

Times are in whole seconds, as those of S3, from a clock of its own.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

KEYS_PER_PAGE = 3


@dataclass(frozen=True)
class Version:
    """One version of an object; a delete marker has no data."""

    id: str
    modified: datetime
    data: bytes | None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data or b"", usedforsecurity=False).hexdigest()}"'


class MemoryS3:
    """The operations of a boto3 client that the adapters call, and those that change a bucket.

    `versions` has the versions of each key, the current one last.
    """

    def __init__(self, clock: Callable[[], datetime], keys_per_page: int = KEYS_PER_PAGE) -> None:
        self._clock = clock
        self._keys_per_page = keys_per_page
        self._made = 0
        self.versions: dict[str, dict[str, list[Version]]] = {}

    def create_bucket(self, *, Bucket: str, **_: Any) -> None:  # noqa: N803
        self.versions[Bucket] = {}

    def close(self) -> None:
        """Nothing is open."""

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: Mapping[str, str] | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        version = self._add(Bucket, Key, Body, Metadata or {})
        return {"ETag": version.etag, "VersionId": version.id}

    def copy_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        CopySource: Mapping[str, str],  # noqa: N803
        Metadata: Mapping[str, str] | None = None,  # noqa: N803
        MetadataDirective: str = "COPY",  # noqa: N803
    ) -> None:
        source = self._get("CopyObject", **CopySource)
        metadata = source.metadata if MetadataDirective == "COPY" else Metadata or {}
        self._add(Bucket, Key, source.data, metadata)

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> None:  # noqa: N803
        if not VersionId:
            self._add(Bucket, Key, None, {})
            return
        kept = [each for each in self.versions[Bucket].get(Key, []) if each.id != VersionId]
        self.versions[Bucket][Key] = kept

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return self._described(self._get("HeadObject", Bucket, Key))

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        IfMatch: str = "",  # noqa: N803
        Range: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        version = self._get("GetObject", Bucket, Key)
        if IfMatch and IfMatch != version.etag:
            raise error_of("GetObject", "PreconditionFailed", 412)
        data = version.data or b""
        if Range:
            first, _, last = Range.removeprefix("bytes=").partition("-")
            if int(first) >= len(data):
                raise error_of("GetObject", "InvalidRange", 416)
            data = data[int(first) : int(last) + 1]
        return {**self._described(version), "Body": io.BytesIO(data)}

    def get_paginator(self, operation: str) -> "Paginator":
        assert operation == "list_objects_v2"
        return Paginator(self)

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        """A page; its last key is the `StartAfter` of the next one."""
        listed = (
            key
            for key in sorted(self.versions[Bucket], key=str.encode)
            if key.startswith(Prefix) and key.encode() > StartAfter.encode()
        )
        current = ((key, self.current(Bucket, key)) for key in listed)
        page = islice(((key, one) for key, one in current if one), self._keys_per_page)
        return {"Contents": [_listed(key, version) for key, version in page]}

    def current(self, bucket: str, key: str) -> Version | None:
        """The version that is read without a version id."""
        versions = self.versions[bucket].get(key)
        return versions[-1] if versions and versions[-1].data is not None else None

    def current_objects(self, bucket: str) -> dict[str, Version]:
        found = {key: self.current(bucket, key) for key in self.versions[bucket]}
        return {key: version for key, version in found.items() if version}

    def _add(
        self, bucket: str, key: str, data: bytes | None, metadata: Mapping[str, str]
    ) -> Version:
        self._made += 1
        modified = self._clock().replace(microsecond=0)
        version = Version(f"version-{self._made}", modified, data, dict(metadata))
        self.versions[bucket].setdefault(key, []).append(version)
        return version

    def _get(self, operation: str, Bucket: str, Key: str, VersionId: str = "") -> Version:  # noqa: N803
        versions = self.versions[Bucket].get(Key, [])
        found = (
            next(
                (each for each in versions if each.id == VersionId and each.data is not None), None
            )
            if VersionId
            else self.current(Bucket, Key)
        )
        if found is None:
            raise error_of(operation, "NoSuchVersion" if VersionId else "NoSuchKey", 404)
        return found

    def _described(self, version: Version) -> dict[str, Any]:
        return {
            "ETag": version.etag,
            "LastModified": version.modified,
            "ContentLength": len(version.data or b""),
            "Metadata": dict(version.metadata),
            "VersionId": version.id,
        }


@dataclass(frozen=True)
class Paginator:
    client: Any

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Each page is listed when it is asked for."""
        page = self.client.list_objects_v2(**request)
        while contents := page["Contents"]:
            yield page
            request["StartAfter"] = contents[-1]["Key"]
            page = self.client.list_objects_v2(**request)


def error_of(operation: str, code: str, status: int) -> ClientError:
    """The exception that botocore raises for an error response."""
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def _listed(key: str, version: Version) -> dict[str, Any]:
    return {
        "Key": key,
        "ETag": version.etag,
        "LastModified": version.modified,
        "Size": len(version.data or b""),
    }
