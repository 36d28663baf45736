"""The derived store in S3: a bucket of its own, whose objects do not start indexing."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.client import s3_client, status_of
from imagesearch.adapters.s3.presigned_urls import PresignedUrls
from imagesearch.domain.errors import Unavailable

# The content of a key never changes.
CACHE_CONTROL = "private, max-age=31536000, immutable"


class S3Derived:
    """Implements DerivedStore; `uri` is `s3://bucket` or `s3://bucket/prefix`."""

    def __init__(self, uri: str, client: Any = None) -> None:
        self._bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._s3, credentials = (client, None) if client else s3_client()
        self._urls = PresignedUrls(self._s3, credentials)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._s3.close()

    def put(self, key: str, data: bytes, content_type: str) -> None:
        try:
            self._s3.put_object(
                **self._location(key),
                Body=data,
                ContentType=content_type,
                CacheControl=CACHE_CONTROL,
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("write", key, error) from error

    def get(self, key: str) -> bytes | None:
        try:
            data: bytes = self._s3.get_object(**self._location(key))["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if status_of(error) == 404:
                return None
            raise self._unavailable("read", key, error) from error
        return data

    def delete(self, key: str) -> None:
        try:
            self._s3.delete_object(**self._location(key))
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("delete", key, error) from error

    def list_keys(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        start = {"StartAfter": self._prefix + after} if after else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, **start
        )
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix), entry["LastModified"]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("list", prefix, error) from error

    def url(self, key: str) -> str:
        try:
            return self._urls.url(self._bucket, self._prefix + key)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("sign a URL of", key, error) from error

    def _location(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _unavailable(self, what: str, key: str, error: Exception) -> Unavailable:
        return Unavailable(
            f"cannot {what} s3://{self._bucket}/{self._prefix}{key}: {error}",
            "check DERIVED_URI and that the function's role may do this there",
        )
