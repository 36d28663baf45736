"""Changes of a folder: uploads by signed form, as in S3, and deletions that keep the file."""

import base64
import errno
import hashlib
import hmac
import json
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from imagesearch.adapters.filesystem.excludes import UPLOAD_PREFIX, Excludes
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.filesystem.secret_file import secret_of
from imagesearch.domain.errors import InvalidQuery, Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import UPLOAD_SECONDS, UploadForm

UPLOAD_URL = "/upload"
SECRET = "upload-secret"  # noqa: S105 - a file's name
DELETED = "deleted"


class FolderChanges:
    """Implements BucketChanges; the folder `data` holds the signing secret and deleted files."""

    def __init__(self, folder: Path, data: Path, excludes: Excludes | None = None) -> None:
        self._store = FolderStore(folder, excludes=excludes)
        self._data = data

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """A form for a multipart POST to the local server."""
        _check_none(metadata)
        self._check_visible(ref)
        expires = now + timedelta(seconds=UPLOAD_SECONDS)
        fields = {"key": ref.key, "Content-Type": content_type}
        policy = _encoded({"expiration": expires.isoformat(), "fields": fields})
        signed = {"policy": policy, "signature": _signature(self._secret(), policy)}
        return UploadForm(UPLOAD_URL, {**fields, **signed}, expires)

    def permitted(self, fields: Mapping[str, str], now: datetime) -> bool:
        """True if a form's fields are as signed and it has not expired."""
        policy = fields.get("policy", "")
        if not hmac.compare_digest(
            _signature(self._secret(), policy).encode(), fields.get("signature", "").encode()
        ):
            return False
        parsed: dict[str, Any] = json.loads(base64.b64decode(policy))
        as_signed = all(fields.get(name) == value for name, value in parsed["fields"].items())
        return as_signed and now <= datetime.fromisoformat(parsed["expiration"])

    def put(
        self,
        ref: ImageRef,
        data: bytes,
        content_type: str,  # noqa: ARG002 - the file name decides
        metadata: Mapping[str, str],
    ) -> None:
        """Write under a hidden name in the same folder, which is never indexed, then rename."""
        _check_none(metadata)
        self._check_visible(ref)
        path = self._store.path(ref.key)
        try:
            if path is None:
                raise FileNotFoundError(errno.ENOENT, "not a valid file name")
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{UPLOAD_PREFIX}{secrets.token_hex(8)}")
            try:
                part.write_bytes(data)
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(
                f"cannot write {ref.key}: {error.strerror}",
                "check free disk space and the folder's permissions",
            ) from error

    def delete(self, ref: ImageRef) -> None:
        """Move the file to the data folder: it is a user's own file and is not destroyed."""
        path = self._store.path(ref.key)
        try:
            if path and path.is_file():
                kept = self._data / DELETED / f"{secrets.token_hex(4)}-{path.name}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, kept)
        except OSError as error:
            raise Unavailable(
                f"cannot delete {ref.key}: {error.strerror}", "check the folder's permissions"
            ) from error

    def _check_visible(self, ref: ImageRef) -> None:
        """Reject an excluded name, whose image would be stored and never found."""
        if any(part.startswith(".") for part in ref.key.split("/")):
            return
        if reason := self._store.excludes.exclusion_reason(ref.key, is_dir=False):
            raise InvalidQuery(
                f"{ref.key} would not be indexed: {reason}",
                "send another name or collection",
                "excluded_name",
            )

    def _secret(self) -> bytes:
        """The secret, created once for this server and later ones; readable by the owner only."""
        return secret_of(self._data / SECRET)


def _check_none(metadata: Mapping[str, str]) -> None:
    if metadata:
        raise InvalidQuery(
            "metadata: files of a folder have none", "upload without metadata", "invalid_metadata"
        )


def _encoded(policy: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps(policy).encode()).decode()


def _signature(secret: bytes, policy: str) -> str:
    return hmac.new(secret, policy.encode(), hashlib.sha256).hexdigest()
