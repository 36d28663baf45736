"""An image store over an S3 bucket.

Changes of an S3 bucket: presigned uploads, and deletions.

A derived store in S3: a bucket of its own, so that what is put there is no new image.

A folder of a bucket: files are put there with their hashes, which S3 checks; it is emptied.

A model that lies in S3: its files are brought to this machine when they are first asked for.
"""

import base64
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3_access import archived, refusal, refused_by_key
from imagesearch.domain.errors import (
    ConfigurationError,
    ImageSearchError,
    ObjectChanged,
    Unavailable,
    UnreadableObject,
)
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import UPLOAD_BYTES, UPLOAD_SECONDS, UploadForm

URL_SECONDS = 900
MAX_CONNECTIONS = 16


class S3Store:
    """Reads objects on condition that they are as they were seen.

    An object that is archived, or encrypted with a key that may not be used here, is one that
    cannot be read; a role that may not read is Unavailable.

    With `tags` an object's tags count as metadata, each named `tag.` and its key.
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
            unreadable=archived(found),
        )

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        try:
            found = self._s3.get_object(
                Bucket=ref.bucket, Key=ref.key, IfMatch=f'"{state.etag}"', **part
            )
            data: bytes = found["Body"].read()
        except (ClientError, BotoCoreError) as error:
            # 416: an empty object has no first bytes; this one was not empty when it was seen.
            if status_of(error) in (404, 412, 416):
                raise ObjectChanged(f"{ref.key} changed while it was read") from error
            if why := refusal(error) or self._refused_by_key(ref, error):
                raise UnreadableObject(why) from error
            raise _cannot_read(ref, error) from error
        return data

    def _refusal(self, ref: ImageRef) -> str:
        """Why an object cannot be read: the answer to HeadObject has no body that would say so."""
        try:
            self._s3.get_object(Bucket=ref.bucket, Key=ref.key, Range="bytes=0-0")["Body"].close()
        except (ClientError, BotoCoreError) as error:
            return refusal(error)
        return ""

    def _refused_by_key(self, ref: ImageRef, error: Exception) -> str:
        if status_of(error) != 403:
            return ""
        try:
            return refused_by_key(error, self._s3.head_object(Bucket=ref.bucket, Key=ref.key))
        except (ClientError, BotoCoreError):
            return ""

    def _state_without_head(self, ref: ImageRef, unreadable: str) -> ObjectState | None:
        """A listing tells of an object what HeadObject does not tell without the object's key."""
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
        """S3 lists a general purpose bucket in the order of the keys' UTF-8 bytes.

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
        there = {"Bucket": ref.bucket, "Key": ref.key}
        try:
            url: str = self._s3.generate_presigned_url(
                "get_object", Params=there, ExpiresIn=URL_SECONDS
            )
        except (ClientError, BotoCoreError) as error:
            raise _cannot_read(ref, error) from error
        return url


def client_config() -> Config:
    """Signature version 4 at the regional endpoint, so that presigned URLs hold everywhere."""
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 4},
    )


def _listed(found: Mapping[str, Any]) -> ObjectState:
    """A listing may tell fractions of a second, where a header cannot."""
    modified = found["LastModified"].astimezone(UTC).replace(microsecond=0)
    return ObjectState(found["ETag"].strip('"'), modified, found["Size"])


def status_of(error: Exception) -> int | None:
    if not isinstance(error, ClientError):
        return None
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return int(status) if status else None


def _cannot_read(ref: ImageRef, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot read s3://{ref.bucket}/{ref.key}: {error}",
        "check that the bucket is there and that the function's role may read and list it",
    )


class S3Changes:
    def __init__(self, client: Any = None) -> None:
        self._s3 = client or boto3.client("s3", config=client_config())

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """A presigned POST, as a presigned PUT cannot bound the size.

        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        """
        fields = {"Content-Type": content_type}
        fields |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, UPLOAD_BYTES])
        try:
            post = self._s3.generate_presigned_post(
                ref.bucket, ref.key, fields, conditions, ExpiresIn=UPLOAD_SECONDS
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("sign an upload to", ref, error) from error
        return UploadForm(post["url"], post["fields"], now + timedelta(seconds=UPLOAD_SECONDS))

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        try:
            self._s3.put_object(
                Bucket=ref.bucket,
                Key=ref.key,
                Body=data,
                ContentType=content_type,
                Metadata=dict(metadata),
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("upload to", ref, error) from error

    def delete(self, ref: ImageRef) -> None:
        """In a versioned bucket the older versions stay behind a delete marker."""
        try:
            self._s3.delete_object(Bucket=ref.bucket, Key=ref.key)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("delete", ref, error) from error


def _unavailable(what: str, ref: ImageRef, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot {what} s3://{ref.bucket}/{ref.key}: {error}",
        "check that the function's role may do this in the bucket",
    )


# What a key names never changes.
CACHE_CONTROL = "private, max-age=31536000, immutable"


class S3Derived:
    """A folder of S3, `s3://bucket` or `s3://bucket/prefix`."""

    def __init__(self, uri: str, client: Any = None) -> None:
        self._bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._s3 = client or boto3.client("s3", config=client_config())

    def put(self, key: str, data: bytes, content_type: str) -> None:
        try:
            self._s3.put_object(
                **self._there(key), Body=data, ContentType=content_type, CacheControl=CACHE_CONTROL
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("write", key, error) from error

    def get(self, key: str) -> bytes | None:
        try:
            data: bytes = self._s3.get_object(**self._there(key))["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if status_of(error) == 404:
                return None
            raise self._unavailable("read", key, error) from error
        return data

    def delete(self, key: str) -> None:
        try:
            self._s3.delete_object(**self._there(key))
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("delete", key, error) from error

    def url(self, key: str) -> str:
        try:
            url: str = self._s3.generate_presigned_url(
                "get_object", Params=self._there(key), ExpiresIn=URL_SECONDS
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("sign an address for", key, error) from error
        return url

    def _there(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _unavailable(self, what: str, key: str, error: Exception) -> Unavailable:
        return Unavailable(
            f"cannot {what} s3://{self._bucket}/{self._prefix}{key}: {error}",
            "check DERIVED_URI and that the function's role may do this there",
        )


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`sha256` is S3's own of all the bytes, in hex; None where the file was put without one."""

    bytes: int
    sha256: str | None
    metadata: Mapping[str, str]


class S3Folder:
    """`uri` is `s3://bucket/prefix`; all methods raise Unavailable and ConfigurationError."""

    def __init__(self, uri: str, client: Any) -> None:
        self.uri = uri
        self._bucket, _, self._prefix = uri.removeprefix("s3://").partition("/")
        self._s3 = client

    def find(self, name: str) -> StoredFile | None:
        there = {"Bucket": self._bucket, "Key": self._key(name)}
        try:
            found = self._s3.head_object(**there, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError) as error:
            if _code(error) in ("404", "NoSuchKey", "NoSuchBucket"):
                return None
            raise self._trouble(f"look at {name}", error) from error
        # The hash of an upload in parts is one of its parts' hashes, with their number behind it.
        encoded = found.get("ChecksumSHA256", "")
        sha256 = base64.b64decode(encoded).hex() if encoded and "-" not in encoded else None
        return StoredFile(found["ContentLength"], sha256, found["Metadata"])

    def put(self, name: str, path: Path, sha256: str, metadata: Mapping[str, str]) -> None:
        """Upload as it is read, in one part; S3 refuses bytes that have another hash."""
        try:
            with path.open("rb") as file:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=self._key(name),
                    Body=file,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    Metadata=dict(metadata),
                )
        except (ClientError, BotoCoreError) as error:
            raise self._trouble(f"write {name}", error) from error

    def empty(self) -> int:
        """Delete every object of the folder, and say how many; a bucket that is gone has none."""
        pages = self._s3.get_paginator("list_objects_v2")
        deleted = 0
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}/"):
                for found in page.get("Contents", ()):
                    self._s3.delete_object(Bucket=self._bucket, Key=found["Key"])
                    deleted += 1
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "NoSuchBucket":
                return deleted
            raise self._trouble("delete what is there", error) from error
        return deleted

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _trouble(self, what: str, error: Exception) -> ImageSearchError:
        message = f"cannot {what} in {self.uri}: {error}"
        if _code(error) in ("403", "AccessDenied"):
            hint = "check that the function's role and the bucket's policy allow it"
            return ConfigurationError(message, hint, "access_denied")
        return Unavailable(message, "try again")


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


class S3Model:
    """A folder of S3, `s3://bucket/prefix`; who reads its files checks them."""

    def __init__(self, uri: str, cache: Path | None = None, client: Any = None) -> None:
        self._uri = uri.rstrip("/")
        self._bucket, _, self._prefix = self._uri.removeprefix("s3://").partition("/")
        self._cache = cache or Path(tempfile.mkdtemp(prefix="model-"))
        self._s3 = client or boto3.client("s3", config=client_config())

    def folder(self, names: Iterable[str]) -> Path:
        """A folder that holds these files; raises ConfigurationError."""
        for name in names:
            if not (self._cache / name).exists():
                self._fetch(name)
        return self._cache

    def _fetch(self, name: str) -> None:
        """A file appears whole or not at all."""
        part = self._cache / f"{name}.part"
        key = f"{self._prefix}/{name}" if self._prefix else name
        try:
            self._s3.download_file(self._bucket, key, str(part))
        except (ClientError, BotoCoreError) as error:
            raise ConfigurationError(
                f"cannot read {self._uri}/{name}: {error}",
                "check MODEL_URI and that the function's role may read it",
                code="invalid_model",
            ) from error
        part.rename(self._cache / name)
