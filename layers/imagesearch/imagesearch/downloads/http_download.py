"""Downloads of pinned model files: ranges, redirects, retries and SHA-256.

Retries by a loop of its own rather than tenacity or urllib3's Retry: each attempt resumes at the
size of the partial file, and the loop ends with the time for it, not with a number of attempts.
"""

import hashlib
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from imagesearch.domain.errors import ConfigurationError, NotFound, Unavailable
from imagesearch.downloads.partial_file import PartialFile
from imagesearch.downloads.transfer import (
    PartialResponse,
    TransferInterrupted,
    backoff_seconds,
)
from imagesearch.embedding.int8_weights import make_signed
from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.model_catalog import Pin
from imagesearch.retry_after import retry_after_seconds

CONNECT_SECONDS, READ_SECONDS = 10, 30
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
CHUNK_BYTES = 1 << 16
# The longest time without a new byte: several windows of a model hub's rate limit.
MAX_WAIT_SECONDS = 3600.0


@dataclass(frozen=True)
class Downloader:
    """Downloads with retries until the time is over.

    progress: called with the number of bytes so far.
    pause: sleeps, in seconds. waiting: called before it with the reason and the seconds.
    remaining: the seconds that are left for downloads.
    max_wait: the longest time without a new byte, in seconds.
    connect_retries: retries while no connection was ever made, such as without a network.
    jitter: a random number in [0, 1).
    disk_hint: the hint for a full disk. resume_hint: the hint for a partial file.
    s3: a client for `s3://` URLs; by default one with the environment's credentials.
    """

    progress: Callable[[int], object] = lambda _: None
    pause: Callable[[float], object] = time.sleep
    disk_hint: str = "choose another folder"
    resume_hint: str = "run again to resume"
    waiting: Callable[[str, float], object] = lambda _, __: None
    remaining: Callable[[], float] = lambda: math.inf
    max_wait: float = MAX_WAIT_SECONDS
    connect_retries: int = 0
    jitter: Callable[[], float] = random.random
    s3: Any = None

    def download(self, pin: Pin, to: Path) -> str:
        """Download to the path `to` and return the file's SHA-256.

        Raises Unavailable, NotFound, ConfigurationError; the partial file is kept for the next
        attempt unless it is wrong.
        """
        partial = PartialFile(to, self.disk_hint)
        earlier = partial.size > 0
        self._complete(pin, partial)
        if earlier and partial.digest() != pin.sha256:
            # The part of an earlier run may be wrong.
            partial.discard()
            self._complete(pin, partial)
        digest = partial.digest()
        if digest != pin.sha256:
            partial.discard()
            raise ConfigurationError(
                f"{pin.url} has the SHA-256 {digest} instead of {pin.sha256}",
                "it is discarded: the file or a proxy cannot be trusted",
                "wrong_hash",
            )
        partial.commit()
        return digest

    def _complete(self, pin: Pin, partial: PartialFile) -> None:
        retries, waited, connected, most = 0, 0.0, False, partial.size
        while True:
            try:
                return self._resume(pin, partial)
            except TransferInterrupted as interruption:
                connected |= not interruption.no_connection
                if partial.size > most:
                    retries, waited, most = 0, 0.0, partial.size
                seconds = backoff_seconds(interruption, retries, self.jitter())
                reason = self._reason_to_stop(seconds, waited)
                if not connected and retries >= self.connect_retries:
                    reason = "no connection was made"
                if reason:
                    raise Unavailable(
                        f"cannot download {pin.url}: {interruption}; {reason}",
                        self._hint(partial, interruption),
                    ) from interruption
                self.waiting(str(interruption), seconds)
            self.pause(seconds)
            retries, waited = retries + 1, waited + seconds

    def _reason_to_stop(self, seconds: float, waited: float) -> str:
        """The reason not to wait this long; empty to wait. `waited`: since the last new byte."""
        left = self.remaining()
        if seconds > left:
            return f"the next attempt is in {seconds:.0f} s, and {max(left, 0.0):.0f} s are left"
        if waited + seconds > self.max_wait:
            return f"no new byte would have been received for more than {self.max_wait:.0f} s"
        return ""

    def _resume(self, pin: Pin, partial: PartialFile) -> None:
        """One request for the missing bytes. Raises TransferInterrupted."""
        if partial.size > pin.bytes:
            partial.discard()
        if partial.size == pin.bytes:
            return
        with self._open(pin.url, partial.size, partial.etag) as response:
            if response.start < 0:
                partial.discard()
                raise TransferInterrupted("the server does not resume the download")
            if response.total not in (None, pin.bytes):
                raise _wrong_size(pin, f"{response.total:,}")
            if not response.start:
                partial.start(response.etag)
            partial.require_space(pin.bytes - partial.size)
            for size in partial.add(response.chunks(CHUNK_BYTES)):
                if size > pin.bytes:
                    partial.discard()
                    raise _wrong_size(pin, "more")
                self.progress(size)
        if partial.size < pin.bytes:
            raise TransferInterrupted("the response ended early")

    @contextmanager
    def _open(self, url: str, start: int, etag: str | None) -> Iterator[PartialResponse]:
        if not url.startswith("s3://"):
            with open_range(url, start, etag) as response:
                yield response
            return
        from imagesearch.downloads.s3_download import default_client, open_s3_range

        yield open_s3_range(self.s3 or default_client(), url, start, etag)

    def _hint(self, partial: PartialFile, interruption: TransferInterrupted) -> str:
        if partial.size:
            return f"{partial.size:,} bytes were downloaded; {self.resume_hint}"
        if interruption.no_connection:
            return "check the network, and HTTPS_PROXY behind a proxy"
        return self.resume_hint


def download_if_missing(pin: Pin, path: Path, downloader: Downloader) -> None:
    """Download the file to `path` unless it exists there with the pinned hash.

    Raises Unavailable, NotFound, ConfigurationError.
    """
    if path.exists() and digest(path) == pin.sha256:
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
        _check_status(url, raw)
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


def _check_status(url: str, raw: requests.Response) -> None:
    status = raw.status_code
    if status in (408, 429) or status >= 500:
        seconds = retry_after_seconds(raw.headers.get("retry-after"))
        asked = "" if seconds is None else f" and Retry-After {seconds:.0f} s"
        raise TransferInterrupted(
            f"the server returned status {status}{asked}", retry_after=seconds
        )
    if status in (404, 410):
        raise NotFound(f"{url} does not exist (status {status})", code="no_such_file")
    if status not in (200, 206, 416):
        raise Unavailable(f"cannot download {url} (status {status})")


def _partial_response(raw: requests.Response, start: int) -> PartialResponse:
    def chunks(size: int) -> Iterator[bytes]:
        try:
            yield from raw.iter_content(size)
        except requests.RequestException as error:
            raise TransferInterrupted(f"the connection broke ({_short(error)})") from error

    etag = raw.headers.get("etag", "")
    # A weak ETag does not guarantee the same bytes.
    strong = etag if etag.startswith('"') else None
    if raw.status_code == 200:
        length = raw.headers.get("content-length", "")
        return PartialResponse(0, int(length) if length.isdecimal() else None, strong, chunks)
    part = RANGE.fullmatch(raw.headers.get("content-range", ""))
    if raw.status_code == 416 or not part or int(part[1]) != start:
        return PartialResponse(-1, None, None, chunks)
    return PartialResponse(start, int(part[2]), strong, chunks)


def _short(error: Exception) -> str:
    """The innermost message of requests' nested exceptions."""
    inner: BaseException = error
    while inner.__context__ or inner.__cause__:
        inner = inner.__cause__ or inner.__context__ or inner
    text = getattr(inner, "strerror", None) or str(inner)
    return str(text).strip() or type(inner).__name__
