"""The image store of an S3 bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.access import archive_reason, key_reason, unreadable_reason
from imagesearch.adapters.s3.client import s3_client, status_of
from imagesearch.adapters.s3.presigned_urls import PresignedUrls
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
        self._s3, credentials = (client, None) if client else s3_client()
        self._urls = PresignedUrls(self._s3, credentials)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._s3.close()

    @property
    def bucket(self) -> str:
        return self._bucket

    def head(self, ref: ImageRef) -> ObjectState | None:
        try:
            head = self._s3.head_object(Bucket=ref.bucket, Key=ref.key)
            tags = self._tags_of(ref) if self._tags else {}
        except (ClientError, BotoCoreError) as error:
            if status_of(error) == 404:
                return None
            if status_of(error) == 400 and (reason := self._unreadable_reason(ref)):
                return self._listed_state(ref, reason)
            raise _cannot_read(ref, error) from error
        return ObjectState(
            etag=head["ETag"].strip('"'),
            last_modified=head["LastModified"].astimezone(UTC),
            size=head["ContentLength"],
            metadata=head["Metadata"] | tags,
            unreadable=archive_reason(head),
        )

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        byte_range = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        try:
            response = self._s3.get_object(
                Bucket=ref.bucket, Key=ref.key, IfMatch=f'"{state.etag}"', **byte_range
            )
            data: bytes = response["Body"].read()
        except (ClientError, BotoCoreError) as error:
            # 416: the object has been emptied since its state was read.
            if status_of(error) in (404, 412, 416):
                raise ObjectChanged(f"{ref.key} changed while it was read") from error
            if reason := unreadable_reason(error) or self._key_reason(ref, error):
                raise UnreadableObject(reason) from error
            raise _cannot_read(ref, error) from error
        return data

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """In the order of the keys' UTF-8 bytes, as S3 lists a general purpose bucket.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        start = {"StartAfter": after} if after else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **start)
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield ImageRef(self._bucket, entry["Key"]), _state(entry)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"cannot list the bucket {self._bucket}: {error}") from error

    def url(self, ref: ImageRef) -> str:
        """A presigned URL; it expires with the role's session where that ends sooner.

        Raises Unavailable when there are no credentials to sign with.
        """
        try:
            return self._urls.url(ref.bucket, ref.key)
        except (ClientError, BotoCoreError) as error:
            raise _cannot_read(ref, error) from error

    def _unreadable_reason(self, ref: ImageRef) -> str:
        """The reason from GetObject: an error response of HeadObject has no body."""
        try:
            self._s3.get_object(Bucket=ref.bucket, Key=ref.key, Range="bytes=0-0")["Body"].close()
        except (ClientError, BotoCoreError) as error:
            return unreadable_reason(error)
        return ""

    def _key_reason(self, ref: ImageRef, error: Exception) -> str:
        if status_of(error) != 403:
            return ""
        try:
            return key_reason(error, self._s3.head_object(Bucket=ref.bucket, Key=ref.key))
        except (ClientError, BotoCoreError):
            return ""

    def _listed_state(self, ref: ImageRef, unreadable: str) -> ObjectState | None:
        """The state from a listing, which needs no SSE-C key, unlike HeadObject."""
        try:
            page = self._s3.list_objects_v2(Bucket=ref.bucket, Prefix=ref.key, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise _cannot_read(ref, error) from error
        for entry in page.get("Contents", ()):
            if entry["Key"] == ref.key:
                return replace(_state(entry), unreadable=unreadable)
        return None

    def _tags_of(self, ref: ImageRef) -> dict[str, str]:
        tags = self._s3.get_object_tagging(Bucket=ref.bucket, Key=ref.key)["TagSet"]
        return {f"tag.{tag['Key']}": tag["Value"] for tag in tags}


def _state(entry: Mapping[str, Any]) -> ObjectState:
    """The state of an entry of a listing, in full seconds, as in the header of an object."""
    modified = entry["LastModified"].astimezone(UTC).replace(microsecond=0)
    return ObjectState(entry["ETag"].strip('"'), modified, entry["Size"])


def _cannot_read(ref: ImageRef, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot read s3://{ref.bucket}/{ref.key}: {error}",
        "check that the bucket exists and that the function's role may read and list it",
    )
