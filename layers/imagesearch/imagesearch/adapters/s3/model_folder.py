"""Model folders in S3: uploads with SHA-256 checksums, and downloads on first use."""

import base64
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.client import client_config
from imagesearch.domain.errors import ConfigurationError, ImageSearchError, Unavailable


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`sha256` is the checksum of S3 over all bytes, in hex; None if uploaded without one."""

    bytes: int
    sha256: str | None
    metadata: Mapping[str, str]


class S3Folder:
    """Uploads to the folder `uri`, `s3://bucket/prefix`.

    All methods raise Unavailable and ConfigurationError.
    """

    def __init__(self, uri: str, client: Any) -> None:
        self.uri = uri
        self._bucket, _, self._prefix = uri.removeprefix("s3://").partition("/")
        self._s3 = client

    def find(self, name: str) -> StoredFile | None:
        location = {"Bucket": self._bucket, "Key": self._key(name)}
        try:
            found = self._s3.head_object(**location, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError) as error:
            if _code(error) in ("404", "NoSuchKey", "NoSuchBucket"):
                return None
            raise self._error(f"find {name}", error) from error
        # The checksum of a multipart upload is a hash of the parts' hashes, with a suffix `-N`.
        encoded = found.get("ChecksumSHA256", "")
        sha256 = base64.b64decode(encoded).hex() if encoded and "-" not in encoded else None
        return StoredFile(found["ContentLength"], sha256, found["Metadata"])

    def put(self, name: str, path: Path, sha256: str, metadata: Mapping[str, str]) -> None:
        """Upload in one part, without loading the file; S3 rejects bytes with another hash."""
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
            raise self._error(f"write {name}", error) from error

    def empty(self) -> int:
        """Delete every object of the folder and return their number; 0 without the bucket."""
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
            raise self._error("delete the objects", error) from error
        return deleted

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _error(self, what: str, error: Exception) -> ImageSearchError:
        message = f"cannot {what} in {self.uri}: {error}"
        if _code(error) in ("403", "AccessDenied"):
            hint = "check that the function's role and the bucket's policy allow it"
            return ConfigurationError(message, hint, "access_denied")
        return Unavailable(message, "try again")


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


class S3Model:
    """Downloads from the folder `uri`, `s3://bucket/prefix`; the caller verifies the files."""

    def __init__(self, uri: str, cache: Path | None = None, client: Any = None) -> None:
        self._uri = uri.rstrip("/")
        self._bucket, _, self._prefix = self._uri.removeprefix("s3://").partition("/")
        self._cache = cache or Path(tempfile.mkdtemp(prefix="model-"))
        self._s3 = client or boto3.client("s3", config=client_config())

    def folder(self, names: Iterable[str]) -> Path:
        """A local folder with these files; raises ConfigurationError."""
        for name in names:
            if not (self._cache / name).exists():
                self._fetch(name)
        return self._cache

    def fetch_if_present(self, name: str) -> None:
        """Download a file that the folder may lack.

        Without permission to list the bucket, a missing object is a 403. Raises ConfigurationError.
        """
        if (self._cache / name).exists():
            return
        try:
            self._download(name)
        except ClientError as error:
            if _code(error) not in ("403", "404", "AccessDenied", "NoSuchKey"):
                raise self._unreadable(name, error) from error
        except BotoCoreError as error:
            raise self._unreadable(name, error) from error

    def _fetch(self, name: str) -> None:
        try:
            self._download(name)
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(name, error) from error

    def _download(self, name: str) -> None:
        """Download under another name, then rename: a file is complete or absent."""
        part = self._cache / f"{name}.part"
        key = f"{self._prefix}/{name}" if self._prefix else name
        self._s3.download_file(self._bucket, key, str(part))
        part.rename(self._cache / name)

    def _unreadable(self, name: str, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"cannot read {self._uri}/{name}: {error}",
            "check MODEL_URI and that the function's role may read it",
            code="invalid_model",
        )
