"""Downloads of pinned model files over HTTPS: ranges, redirects, retries and SHA-256.

Retries by a loop of its own rather than tenacity or urllib3's Retry: each attempt resumes at the
size of the partial file, and gives up at once without a network.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from imagesearch.domain.errors import ConfigurationError, NotFound, Unavailable
from imagesearch.downloads.partial_file import PartialFile
from imagesearch.embedding.int8_weights import make_signed
from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.model_catalog import Pin

CONNECT_SECONDS, READ_SECONDS = 10, 30
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
ATTEMPTS = 8
MAX_BACKOFF = 15.0
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Downloader:
    """Downloads with retries.

    `progress` is called with the number of bytes so far, `pause` sleeps in seconds.
    `disk_hint` is the hint for a full disk, `resume_hint` the one for a partial file.
    """

    progress: Callable[[int], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    disk_hint: str = "choose another folder"
    resume_hint: str = "run again to resume"

    def download(self, pin: Pin, to: Path) -> str:
        """Download to the path `to` and return the file's SHA-256.

        Raises Unavailable, NotFound, ConfigurationError; the partial file is kept for the next
        attempt unless it is wrong.
        """
        partial = PartialFile(to, self.disk_hint)
        earlier = partial.size > 0
        self._complete(pin, partial)
        if earlier and pin.sha256 not in (None, partial.digest()):
            # The part of an earlier run may be wrong.
            partial.discard()
            self._complete(pin, partial)
        digest = partial.digest()
        if pin.sha256 not in (None, digest):
            partial.discard()
            raise ConfigurationError(
                f"{pin.url} has the SHA-256 {digest} instead of {pin.sha256}",
                "it is discarded: the file or a proxy cannot be trusted",
                "wrong_hash",
            )
        partial.commit()
        return digest

    def _complete(self, pin: Pin, partial: PartialFile) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._resume(pin, partial)
            except TransferInterrupted as interruption:
                offline = interruption.no_connection and attempt == 1
                if offline or attempt == ATTEMPTS:
                    raise Unavailable(
                        f"cannot download {pin.url}: {interruption}", self._next(partial)
                    ) from interruption
            self.pause(min(2.0 ** (attempt - 1), MAX_BACKOFF))
        return None

    def _resume(self, pin: Pin, partial: PartialFile) -> None:
        """One request for the missing bytes. Raises TransferInterrupted."""
        # Without ETag or hash the rest may be of another version of the file.
        if (pin.bytes and partial.size > pin.bytes) or not (partial.etag or pin.sha256):
            partial.discard()
        if pin.bytes and partial.size == pin.bytes:
            return
        with open_range(pin.url, partial.size, partial.etag) as response:
            if response.start < 0:
                partial.discard()
                raise TransferInterrupted("the server does not resume the download")
            if pin.bytes and response.total not in (None, pin.bytes):
                raise _wrong_size(pin, f"{response.total:,}")
            if not response.start:
                partial.start(response.etag)
            partial.require_space((pin.bytes or response.total or 0) - partial.size)
            for size in partial.add(response.chunks(CHUNK_BYTES)):
                if pin.bytes and size > pin.bytes:
                    partial.discard()
                    raise _wrong_size(pin, "more")
                self.progress(size)
        if partial.size < (pin.bytes or response.total or 0):
            raise TransferInterrupted("the response ended early")

    def _next(self, partial: PartialFile) -> str:
        if partial.size:
            return f"{partial.size:,} bytes were downloaded; {self.resume_hint}"
        return "check the network, and HTTPS_PROXY behind a proxy"


def download_if_missing(pin: Pin, path: Path, downloader: Downloader) -> None:
    """Download the file to `path` unless it exists there with the pinned hash.

    Raises Unavailable, NotFound, ConfigurationError.
    """
    # An unpinned file of an earlier attempt may be of another revision.
    if pin.sha256 and path.exists() and digest(path) == pin.sha256:
        return
    path.unlink(missing_ok=True)
    downloader.download(pin, path)


def entry_of(path: Path, *, make_weights_signed: bool) -> FileEntry:
    """The manifest entry of the file, whose uint8 weights are converted to int8 on request."""
    sha256 = digest(path)
    if not (make_weights_signed and make_signed(path)):
        return FileEntry(sha256=sha256, bytes=path.stat().st_size)
    return FileEntry(sha256=digest(path), bytes=path.stat().st_size, rewritten_from=sha256)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong_size(pin: Pin, size: str) -> ConfigurationError:
    return ConfigurationError(
        f"{pin.url} has {size} bytes instead of {pin.bytes:,}",
        "it is discarded: it is not the pinned file",
        "wrong_size",
    )


class TransferInterrupted(Exception):
    """The transfer is incomplete; a retry may succeed."""

    def __init__(self, reason: str, *, no_connection: bool = False) -> None:
        super().__init__(reason)
        self.no_connection = no_connection


@dataclass(frozen=True, slots=True)
class PartialResponse:
    """A response with the bytes from `start`; `total` is the size of the file, None if unknown."""

    start: int
    total: int | None
    etag: str | None
    raw: requests.Response

    def chunks(self, size: int) -> Iterator[bytes]:
        """Raises TransferInterrupted."""
        try:
            yield from self.raw.iter_content(size)
        except requests.RequestException as error:
            raise TransferInterrupted(f"the connection broke ({_short(error)})") from error


@contextmanager
def open_range(url: str, start: int, etag: str | None) -> Iterator[PartialResponse]:
    """GET the file from byte `start`, if it still has this ETag.

    Raises TransferInterrupted, Unavailable, NotFound, ConfigurationError.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if etag:
            headers["If-Range"] = etag
    with requests.Session() as session, _follow(session, url, headers) as raw:
        _check_status(url, raw.status_code)
        yield _partial_response(raw, start)


def _follow(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """GET with redirects, each of which must be HTTPS, which requests does not check."""
    allow_http = urlsplit(url).hostname in LOOPBACK
    location = url
    for _ in range(MAX_REDIRECTS + 1):
        _check_https(location, allow_http)
        try:
            raw = session.get(
                location,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
        except requests.exceptions.SSLError as error:
            raise Unavailable(f"{location} has no valid certificate: {_short(error)}") from error
        except requests.RequestException as error:
            reason = f"{urlsplit(location).hostname} cannot be reached ({_short(error)})"
            raise TransferInterrupted(reason, no_connection=True) from error
        if raw.status_code not in REDIRECTS:
            return raw
        raw.close()
        location = urljoin(location, raw.headers.get("location", ""))
    raise Unavailable(f"{url} redirects more than {MAX_REDIRECTS} times")


def _check_https(url: str, allow_http: bool) -> None:
    parts = urlsplit(url)
    plain = allow_http and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not plain:
        raise ConfigurationError(f"{url} is not allowed: only https is", code="insecure_url")


def _check_status(url: str, status: int) -> None:
    if status == 429 or status >= 500:
        raise TransferInterrupted(f"the server returned status {status}")
    if status in (404, 410):
        raise NotFound(f"{url} does not exist (status {status})", code="no_such_file")
    if status not in (200, 206, 416):
        raise Unavailable(f"cannot download {url} (status {status})")


def _partial_response(raw: requests.Response, start: int) -> PartialResponse:
    etag = raw.headers.get("etag", "")
    # A weak ETag does not guarantee the same bytes.
    strong = etag if etag.startswith('"') else None
    if raw.status_code == 200:
        length = raw.headers.get("content-length", "")
        return PartialResponse(0, int(length) if length.isdecimal() else None, strong, raw)
    part = RANGE.fullmatch(raw.headers.get("content-range", ""))
    if raw.status_code == 416 or not part or int(part[1]) != start:
        return PartialResponse(-1, None, None, raw)
    return PartialResponse(start, int(part[2]), strong, raw)


def _short(error: Exception) -> str:
    """The innermost message of requests' nested exceptions."""
    inner: BaseException = error
    while inner.__context__ or inner.__cause__:
        inner = inner.__cause__ or inner.__context__ or inner
    text = getattr(inner, "strerror", None) or str(inner)
    return str(text).strip() or type(inner).__name__
