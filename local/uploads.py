"""Takes uploads at /upload: what a presigned POST is to a bucket."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.filesystem.excludes import UPLOAD_PREFIX
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import Unavailable
from imagesearch.upload_forms import UPLOAD_BYTES
from local.gateway import send_error
from local.web.errors import (
    BAD_FORM,
    NOT_SIGNED,
    NOT_WRITTEN,
    POST_ONLY,
    TAKEN,
    UPLOAD_TOO_LARGE,
    EdgeError,
)
from local.web.uploads import BadForm, MultipartForm


class Uploads:
    """A WSGI application that writes what a signed form brings, whole or not at all."""

    def __init__(self, store: FolderStore, changes: FolderChanges) -> None:
        self._store = store
        self._changes = changes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        error = self._take(environ)
        if error:
            return send_error(error, environ, start_response)
        start_response("204 No Content", [])
        return []

    def _take(self, environ: WSGIEnvironment) -> EdgeError | None:
        if environ["REQUEST_METHOD"] != "POST":
            return POST_ONLY
        try:
            form = MultipartForm(environ["wsgi.input"], str(environ.get("CONTENT_TYPE", "")))
            if not self._changes.permitted(form.fields, datetime.now(UTC)):
                return NOT_SIGNED
            path = self._store.path(form.fields["key"])
            return self._write(form, path) if path else NOT_SIGNED
        except BadForm:
            return BAD_FORM
        except (OSError, Unavailable):
            return NOT_WRITTEN

    def _write(self, form: MultipartForm, path: Path) -> EdgeError | None:
        """Beside its place under a hidden name, which nobody looks at, and then renamed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=UPLOAD_PREFIX)
        try:
            with os.fdopen(handle, "wb") as file:
                for block in form.file():
                    file.write(block)
                    if file.tell() > UPLOAD_BYTES:
                        return UPLOAD_TOO_LARGE
                empty = file.tell() == 0
            if empty:
                return BAD_FORM
            Path(part).chmod(0o644)
            # Unlike a rename, a link overwrites nothing.
            path.hardlink_to(part)
        except FileExistsError:
            return TAKEN
        finally:
            Path(part).unlink(missing_ok=True)
        return None
