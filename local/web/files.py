"""Files at /files/<key> and /thumbnails/<…>, in place of presigned S3 URLs.

Only images that the index lists are served, indexed or rejected, and their thumbnails: a folder may
contain other files. A scoped API key gives access to the files of its collections only.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import BinaryIO, TypeAlias
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch.access import KeyBindings
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import ImageSearchError, NotAllowed, Unavailable
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.media_types import SNIFF_BYTES, is_raw, sniff
from local.web.conditional import Validators
from local.web.errors import (
    FILE_CHANGED,
    FILES_ARE_READ_ONLY,
    INDEX_UNAVAILABLE,
    NO_FILE,
    NO_SUCH_RANGE,
)
from local.web.gateway import KEY_ID, request_path, send_error

PREFIX = "/files/"
THUMBNAILS = "/thumbnails/"
REVALIDATE = "private, no-cache"
# The URL of a thumbnail contains a digest of its content.
IMMUTABLE = "private, max-age=31536000, immutable"
BLOCK_BYTES = 1 << 16
# The name of a thumbnail below its prefix, see `storage_keys`.
_THUMBNAIL = re.compile(
    r"(?P<id>[A-Za-z0-9_-]{1,100})/[0-9a-f]{32}(-[0-9a-f]{8,16})?(-640)?\.(jpg|webp)", re.ASCII
)
# True for the id of an image that the index lists. Raises ImageSearchError.
Listed: TypeAlias = Callable[[str], bool]


class ListedFiles:
    """The files whose image the index lists; `id_of` returns the image's id, or None."""

    def __init__(
        self,
        files: WSGIApplication,
        prefix: str,
        id_of: Callable[[str], str | None],
        listed: Listed,
    ) -> None:
        self._files = files
        self._prefix = prefix
        self._id_of = id_of
        self._listed = listed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        id = self._id_of(request_path(environ).removeprefix(self._prefix))
        try:
            listed = id is not None and self._listed(id)
        except ImageSearchError:
            return send_error(INDEX_UNAVAILABLE, environ, start_response)
        if not listed:
            return send_error(NO_FILE, environ, start_response)
        return self._files(environ, start_response)


def image_files(store: FolderStore, listed: Listed) -> WSGIApplication:
    """The files of a folder's images at /files/."""
    return ListedFiles(Files(store), PREFIX, lambda key: ImageRef(store.bucket, key).id, listed)


def thumbnail_files(store: FolderStore, listed: Listed) -> WSGIApplication:
    """The thumbnails of a folder's images at /thumbnails/."""

    def id_of(name: str) -> str | None:
        found = _THUMBNAIL.fullmatch(name)
        return found["id"] if found else None

    return ListedFiles(Files(store, THUMBNAILS, IMMUTABLE), THUMBNAILS, id_of, listed)


class Files:
    """A WSGI application over the visible files of a folder.

    Only raster images, recognized by their first bytes, are displayed inline: the scripts of an SVG
    or HTML file would run in the origin of the search page, so these are sent as attachments.
    Camera RAW and TIFF are attachments, too: few browsers display them.
    """

    def __init__(
        self, store: FolderStore, prefix: str = PREFIX, cache_control: str = REVALIDATE
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._cache_control = cache_control

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return send_error(FILES_ARE_READ_ONLY, environ, start_response)
        key = request_path(environ).removeprefix(self._prefix)
        state = self._state(key)
        if state is None:
            return send_error(NO_FILE, environ, start_response)
        validators = Validators(f'"{state.etag}"', state.last_modified)
        headers = [
            ("ETag", validators.etag),
            ("Last-Modified", validators.last_modified),
            ("Cache-Control", self._cache_control),
        ]
        if validators.failed(environ):
            return send_error(FILE_CHANGED, environ, start_response)
        if validators.not_modified(environ):
            start_response("304 Not Modified", headers)
            return []
        part = validators.requested_range(environ, state.size)
        if part is not None and not part:
            headers = [("Content-Range", f"bytes */{state.size}")]
            return send_error(NO_SUCH_RANGE, environ, start_response, headers)
        return self._send(key, state, part, headers, environ, start_response)

    def _state(self, key: str) -> ObjectState | None:
        try:
            return self._store.head(ImageRef(self._store.bucket, key))
        except Unavailable:
            return None

    def _send(
        self,
        key: str,
        state: ObjectState,
        part: range | None,
        headers: list[tuple[str, str]],
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        try:
            path = self._store.path(key)
            file = path.open("rb") if path else None
        except (OSError, Unavailable):
            file = None
        if file is None:
            return send_error(NO_FILE, environ, start_response)
        headers = [*headers, *_description(key, file), ("Accept-Ranges", "bytes")]
        if part is None:
            start_response("200 OK", [*headers, ("Content-Length", str(state.size))])
        else:
            place = f"bytes {part.start}-{part.stop - 1}/{state.size}"
            headers += [("Content-Range", place), ("Content-Length", str(len(part)))]
            start_response("206 Partial Content", headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            file.close()
            return []
        content = file if part is None else _FilePart(file, part)
        blocks: Iterable[bytes] = environ["wsgi.file_wrapper"](content, BLOCK_BYTES)
        return blocks


class _FilePart:
    """The bytes of a range of a file, as a file."""

    def __init__(self, file: BinaryIO, part: range) -> None:
        self._file = file
        self._left = len(part)
        self.close = file.close
        file.seek(part.start)

    def read(self, count: int) -> bytes:
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data


def _description(key: str, file: BinaryIO) -> list[tuple[str, str]]:
    content_type = sniff(file.read(SNIFF_BYTES))
    file.seek(0)
    displayable = content_type and content_type != "image/tiff" and not is_raw(content_type)
    kind = "inline" if displayable else "attachment"
    name = quote(PurePosixPath(key).name, safe="")
    return [
        ("Content-Type", content_type or "application/octet-stream"),
        ("Content-Disposition", f"{kind}; filename*=UTF-8''{name}"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ]


class ScopedFiles:
    """Files within the scope of the request's API key.

    Thumbnails need no scope: their URLs contain a digest that cannot be guessed.
    """

    def __init__(self, files: WSGIApplication, bindings: KeyBindings) -> None:
        self._files = files
        self._bindings = bindings

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            scope = self._bindings.scope_of(environ.get(KEY_ID))
        except NotAllowed:
            return send_error(NO_FILE, environ, start_response)
        key = request_path(environ).removeprefix(PREFIX)
        if scope and not scope.holds(ImageRef("", key)):
            return send_error(NO_FILE, environ, start_response)
        return self._files(environ, start_response)
