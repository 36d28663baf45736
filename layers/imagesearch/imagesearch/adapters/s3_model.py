"""A model that lies in S3: its files are brought to this machine when they are first asked for."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3 import client_config
from imagesearch.domain.errors import ConfigurationError


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
