"""The image store of an S3 bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.access import archive_reason, key_reason, unreadable_reason
from imagesearch.adapters.s3.client import URL_SECONDS, client_config, status_of
from imagesearch.domain.errors import ObjectChanged, Unavailable, UnreadableObject
from imagesearch.domain.images import ImageRef, ObjectState


class S3Store:
    """Implements ImageStore; reads are conditional on the ETag.

    An archived object, or one encrypted with an unavailable key, is unreadable; a role without
    permission raises Unavailable. With `tags` the tags of an object are part of its metadata, with
    the prefix `tag.`.
    """

    def __init__(self, bucket: str, client: Any = None, *, tags: bool = False) -> None:
        self._bucket = bucket
        self._tags = tags
        self._s3 = client or boto3.client("s3", config=client_config())

    @property
    def bucket(self) -> str:
        return self._bucket

    def head(self, ref: ImageRef) -> ObjectState | None:
        try:
            found = self._s3.head_object(Bucket=ref.bucket, Key=ref.key)
            tags = self._tags_of(ref) if self._tags else {}
        except (ClientError, BotoCoreError) as error:
            if status_of(error) == 404:
                return None
            if status_of(error) == 400 and (why := self._refusal(ref)):
                return self._state_without_head(ref, why)
            raise _cannot_read(ref, error) from error
        return ObjectState(
            etag=found["ETag"].strip('"'),
            last_modified=found["LastModified"].astimezone(UTC),
            size=found["ContentLength"],
            metadata=found["Metadata"] | tags,
            unreadable=archive_reason(found),
        )

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        try:
            found = self._s3.get_object(
                Bucket=ref.bucket, Key=ref.key, IfMatch=f'"{state.etag}"', **part
            )
            data: bytes = found["Body"].read()
        except (ClientError, BotoCoreError) as error:
            # 416: the object is empty now and was not when it was seen.
            if status_of(error) in (404, 412, 416):
                raise ObjectChanged(f"{ref.key} changed while it was read") from error
            if why := unreadable_reason(error) or self._refused_by_key(ref, error):
                raise UnreadableObject(why) from error
            raise _cannot_read(ref, error) from error
        return data

    def _refusal(self, ref: ImageRef) -> str:
        """The reason why an object cannot be read: a HeadObject response has no error body."""
        try:
            self._s3.get_object(Bucket=ref.bucket, Key=ref.key, Range="bytes=0-0")["Body"].close()
        except (ClientError, BotoCoreError) as error:
            return unreadable_reason(error)
        return ""

    def _refused_by_key(self, ref: ImageRef, error: Exception) -> str:
        if status_of(error) != 403:
            return ""
        try:
            return key_reason(error, self._s3.head_object(Bucket=ref.bucket, Key=ref.key))
        except (ClientError, BotoCoreError):
            return ""

    def _state_without_head(self, ref: ImageRef, unreadable: str) -> ObjectState | None:
        """The state from a listing, which needs no SSE-C key, unlike HeadObject."""
        try:
            found = self._s3.list_objects_v2(Bucket=ref.bucket, Prefix=ref.key, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise _cannot_read(ref, error) from error
        for entry in found.get("Contents", ()):
            if entry["Key"] == ref.key:
                return replace(_listed(entry), unreadable=unreadable)
        return None

    def _tags_of(self, ref: ImageRef) -> dict[str, str]:
        found = self._s3.get_object_tagging(Bucket=ref.bucket, Key=ref.key)["TagSet"]
        return {f"tag.{tag['Key']}": tag["Value"] for tag in found}

    def list_images(self) -> Iterator[tuple[ImageRef, ObjectState]]:
        """In the order of the keys' UTF-8 bytes, as S3 lists a general purpose bucket.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        try:
            for page in pages:
                for found in page.get("Contents", ()):
                    yield ImageRef(self._bucket, found["Key"]), _listed(found)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"cannot list the bucket {self._bucket}: {error}") from error

    def url(self, ref: ImageRef) -> str:
        """A presigned URL; it expires with the role's session where that ends sooner.

        Raises Unavailable when there are no credentials to sign with.
        """
        location = {"Bucket": ref.bucket, "Key": ref.key}
        try:
            url: str = self._s3.generate_presigned_url(
                "get_object", Params=location, ExpiresIn=URL_SECONDS
            )
        except (ClientError, BotoCoreError) as error:
            raise _cannot_read(ref, error) from error
        return url


def _listed(found: Mapping[str, Any]) -> ObjectState:
    """A listing may have fractions of a second, which a header lacks."""
    modified = found["LastModified"].astimezone(UTC).replace(microsecond=0)
    return ObjectState(found["ETag"].strip('"'), modified, found["Size"])


def _cannot_read(ref: ImageRef, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot read s3://{ref.bucket}/{ref.key}: {error}",
        "check that the bucket exists and that the function's role may read and list it",
    )
