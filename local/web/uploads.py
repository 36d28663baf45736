"""Uploads at /upload, in place of presigned POSTs to a bucket: multipart/form-data (RFC 7578)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from wsgiref.types import StartResponse, WSGIEnvironment

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.filesystem.excludes import UPLOAD_PREFIX
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import UPLOAD_BYTES
from local.web.errors import (
    ALREADY_UPLOADED,
    BAD_FORM,
    NOT_SIGNED,
    NOT_WRITTEN,
    POST_ONLY,
    UPLOAD_TOO_LARGE,
    ErrorResponse,
)
from local.web.gateway import send_error

BLOCK = 1 << 16
MAX_HEADER = 8_192
MAX_FIELD = 32_768
# The boundary has up to 70 characters; parsing takes more than linear time in the options.
MAX_CONTENT_TYPE = 500
MAX_FIELDS = 50


class BadForm(Exception):
    """The body is not a form whose last field is a file; the message says why."""


class MultipartForm:
    """A form that is read as a stream: `fields` first, then the file, as in a POST to S3."""

    def __init__(self, body: IO[bytes], content_type: str) -> None:
        """Read up to the file. Raises BadForm."""
        if len(content_type) > MAX_CONTENT_TYPE:
            raise BadForm("the content type is too long")
        media_type, options = parse_options_header(content_type)
        if media_type != "multipart/form-data":
            raise BadForm("the body is not multipart/form-data")
        self.fields: dict[str, str] = {}
        self._events = _events(body, options.get("boundary", ""))
        self._read_fields()

    def file(self) -> Iterator[bytes]:
        """The file's bytes, in blocks. Raises BadForm."""
        for event in self._events:
            if not isinstance(event, bytes):
                return
            yield event

    def _read_fields(self) -> None:
        for event in self._events:
            if not isinstance(event, MultipartSegment):
                continue
            if event.name == "file":
                return
            if event.name in self.fields or len(self.fields) == MAX_FIELDS:
                raise BadForm("a field is repeated, or there are too many fields")
            self.fields[str(event.name)] = self._read_value()
        raise BadForm("there is no field named file")

    def _read_value(self) -> str:
        value = bytearray()
        for block in self.file():
            value += block
            if len(value) > MAX_FIELD:
                raise BadForm("a field is too long")
        return value.decode("utf-8", "replace")


def _events(body: IO[bytes], boundary: str) -> Iterator[MultipartSegment | bytes | None]:
    """A segment for each field, then its blocks, then None. Raises BadForm."""
    try:
        with PushMultipartParser(boundary, max_header_size=MAX_HEADER, strict=True) as parser:
            while not parser.closed:
                yield from parser.parse(body.read(BLOCK))
    except MultipartError as error:
        raise BadForm(str(error)) from error


class Uploads:
    """A WSGI application that writes the file of a signed form, completely or not at all."""

    def __init__(self, store: FolderStore, changes: FolderChanges) -> None:
        self._store = store
        self._changes = changes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        error = self._store_upload(environ)
        if error:
            return send_error(error, environ, start_response)
        start_response("204 No Content", [])
        return []

    def _store_upload(self, environ: WSGIEnvironment) -> ErrorResponse | None:
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
        """Write a hidden, excluded file in the same folder, then link it to its name."""
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
            return ALREADY_UPLOADED
        finally:
            Path(part).unlink(missing_ok=True)
        return None
