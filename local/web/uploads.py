"""Reads a multipart/form-data body part by part: short fields first, then the file (RFC 7578).

Takes uploads at /upload: what a presigned POST is to a bucket.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import IO
from wsgiref.types import StartResponse, WSGIEnvironment

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.filesystem.excludes import UPLOAD_PREFIX
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import UPLOAD_BYTES
from local.web.errors import (
    BAD_FORM,
    NOT_SIGNED,
    NOT_WRITTEN,
    POST_ONLY,
    TAKEN,
    UPLOAD_TOO_LARGE,
    ErrorResponse,
)
from local.web.gateway import send_error

BLOCK = 1 << 16
MAX_HEAD = 8_192
MAX_FIELD = 32_768
MAX_FIELDS = 50


class BadForm(Exception):
    """The body is no form as it should be; says why."""


class MultipartForm:
    """`fields` are there once the file is reached, which comes last, as in a POST to S3."""

    def __init__(self, body: IO[bytes], content_type: str) -> None:
        """Read up to the file. Raises BadForm."""
        header = Message()
        header["content-type"] = content_type
        boundary = header.get_param("boundary")
        if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
            raise BadForm("the body is not multipart/form-data")
        self._body = body
        self._line = b"\r\n--" + boundary.encode("ascii", "replace")
        # The first boundary stands without a line before it.
        self._buffer = b"\r\n"
        self.fields: dict[str, str] = {}
        for _ in self._until(self._line, MAX_HEAD):
            pass
        self._read_fields()

    def file(self) -> Iterator[bytes]:
        """The file's bytes. Raises BadForm."""
        yield from self._until(self._line, None)

    def _read_fields(self) -> None:
        while True:
            name = self._next_part()
            if name == "file":
                return
            value = b"".join(self._until(self._line, MAX_FIELD))
            if name in self.fields or len(self.fields) == MAX_FIELDS:
                raise BadForm("a field comes twice, or there are too many")
            self.fields[name] = value.decode("utf-8", "replace")

    def _next_part(self) -> str:
        head = b"".join(self._until(b"\r\n\r\n", MAX_HEAD))
        if head.startswith(b"--"):
            raise BadForm("there is no field named file")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip("\r\n"))
        name = headers.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise BadForm("a part has no name")
        return name

    def _until(self, mark: bytes, most: int | None) -> Iterator[bytes]:
        """The bytes before a mark, which is passed."""
        passed = 0
        while (place := self._buffer.find(mark)) < 0:
            keep = len(mark) - 1
            ready, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
            passed += len(ready)
            if most is not None and passed > most:
                raise BadForm("a part is too long")
            if ready:
                yield ready
            if not (more := self._body.read(BLOCK)):
                raise BadForm("the body is cut short")
            self._buffer += more
        ready, self._buffer = self._buffer[:place], self._buffer[place + len(mark) :]
        if most is not None and passed + len(ready) > most:
            raise BadForm("a part is too long")
        yield ready


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

    def _take(self, environ: WSGIEnvironment) -> ErrorResponse | None:
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

    def _write(self, form: MultipartForm, path: Path) -> ErrorResponse | None:
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
