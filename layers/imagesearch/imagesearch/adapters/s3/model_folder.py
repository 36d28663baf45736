"""Model folders in S3: uploads with SHA-256 checksums, and downloads on first use."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.client import CREDENTIALS_HINT, NO_CREDENTIALS, client_config
from imagesearch.domain.errors import ConfigurationError, ImageSearchError, Unavailable

# Names of buckets as S3 has ever allowed them.
_URI = re.compile(r"s3://[A-Za-z0-9._-]{3,255}(/.*)?")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`sha256` is the checksum of S3 over all bytes, in hex; None if uploaded without one."""

    bytes: int
    sha256: str | None
    metadata: Mapping[str, str]


class S3ModelFolder:
    """The folder `uri`, `s3://bucket/prefix`; the caller verifies downloaded files.

    Methods raise ConfigurationError, and those that write or check files Unavailable, too.
    """

    def __init__(self, uri: str, client: Any = None) -> None:
        if not _URI.fullmatch(uri):
            raise ConfigurationError(
                f"{uri} is not a model folder in S3", "use s3://bucket/prefix", "invalid_model_uri"
            )
        self._uri = uri.rstrip("/")
        self._bucket, _, self._prefix = self._uri.removeprefix("s3://").partition("/")
        self._s3 = client or boto3.client("s3", config=client_config())

    def download(self, names: Iterable[str], to: Path) -> None:
        """Download the files that the folder `to` lacks."""
        for name in names:
            if not (to / name).exists():
                self._download(name, to / name)

    def download_if_present(self, name: str, to: Path) -> None:
        """Download a file that the model may lack, unless the folder `to` has it.

        S3 responds to a missing object with 403 if the role may not list the bucket.
        """
        if (to / name).exists():
            return
        try:
            self._download_file(name, to / name)
        except (ClientError, BotoCoreError) as error:
            if _code(error) not in ("403", "404", "AccessDenied", "NoSuchKey"):
                raise self._unreadable(name, error) from error

    def find(self, name: str) -> StoredFile | None:
        """The size, checksum and metadata of a file; None if it does not exist."""
        location = {"Bucket": self._bucket, "Key": self._key(name)}
        try:
            head = self._s3.head_object(**location, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError) as error:
            if _code(error) in ("404", "NoSuchKey", "NoSuchBucket"):
                return None
            raise self._error(f"find {name}", error) from error
        # The checksum of a multipart upload is a hash of the parts' hashes, with a suffix `-N`.
        encoded = head.get("ChecksumSHA256", "")
        sha256 = base64.b64decode(encoded).hex() if encoded and "-" not in encoded else None
        return StoredFile(head["ContentLength"], sha256, head["Metadata"])

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

    def keys(self) -> list[str]:
        """The keys of the objects below the folder, relative to it; none without the bucket."""
        pages = self._s3.get_paginator("list_objects_v2")
        start = self._key("")
        try:
            return [
                entry["Key"].removeprefix(start)
                for page in pages.paginate(Bucket=self._bucket, Prefix=start)
                for entry in page.get("Contents", ())
            ]
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "NoSuchBucket":
                return []
            raise self._error("list the objects", error) from error

    def empty(self) -> int:
        """Delete every object of the folder and return their number; 0 without the bucket."""
        keys = self.keys()
        try:
            for key in keys:
                self._s3.delete_object(Bucket=self._bucket, Key=self._key(key))
        except (ClientError, BotoCoreError) as error:
            raise self._error("delete the objects", error) from error
        return len(keys)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _error(self, what: str, error: Exception) -> ImageSearchError:
        message = f"cannot {what} in {self._uri}: {error}"
        if isinstance(error, NO_CREDENTIALS):
            return ConfigurationError(message, CREDENTIALS_HINT, "access_denied")
        if _code(error) in ("403", "AccessDenied"):
            hint = "check that the function's role and the bucket's policy allow it"
            return ConfigurationError(message, hint, "access_denied")
        return Unavailable(message, "try again")

    def _download(self, name: str, path: Path) -> None:
        try:
            self._download_file(name, path)
        except (ClientError, BotoCoreError) as error:
            raise self._unreadable(name, error) from error

    def _download_file(self, name: str, path: Path) -> None:
        """Download under another name, then rename: a file is complete or absent."""
        part = path.with_name(f"{name}.part")
        self._s3.download_file(self._bucket, self._key(name), str(part))
        part.rename(path)

    def _unreadable(self, name: str, error: Exception) -> ConfigurationError:
        hint = "check the URI, and that these credentials, or the function's role, may read it"
        if isinstance(error, NO_CREDENTIALS):
            hint = CREDENTIALS_HINT
        message = f"cannot read {self._uri}/{name}: {error}"
        return ConfigurationError(message, hint, code="invalid_model")


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
