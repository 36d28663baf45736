"""One GET over HTTPS, from wherever the file begins to be missing: redirects, ranges, refusals.

Brings one file over HTTP: resumed where it was cut, and under its name only when it is right.

One file of a known model: here, as it is pinned, and rewritten where that makes it faster.
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

CONNECT_SECONDS, SILENCE_SECONDS = 10, 30
MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Cut(Exception):
    """The file did not arrive as a whole, and the same request may do better."""

    def __init__(self, why: str, *, no_connection: bool = False) -> None:
        super().__init__(why)
        self.no_connection = no_connection


@dataclass(frozen=True, slots=True)
class Answer:
    """`begin` is where the bytes begin in the file; `total` its whole size, where that is said."""

    begin: int
    total: int | None
    etag: str | None
    body: requests.Response

    def chunks(self, size: int) -> Iterator[bytes]:
        """Raises Cut."""
        try:
            yield from self.body.iter_content(size)
        except requests.RequestException as error:
            raise Cut(f"the connection broke ({_short(error)})") from error


@contextmanager
def ask(url: str, begin: int, etag: str | None) -> Iterator[Answer]:
    """Ask for the file from a byte on, if it still is the one with this etag.

    Raises Cut, Unavailable, NotFound, ConfigurationError.
    """
    headers = {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
        if etag:
            headers["If-Range"] = etag
    with requests.Session() as session:
        body = _follow(session, url, headers)
        with body:
            _refused(url, body.status_code)
            yield _answer(body, begin)


def _follow(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Redirects are followed here, because each step must be as well protected as the first."""
    may_be_plain = urlsplit(url).hostname in LOOPBACK
    asked = url
    for _ in range(MOST_REDIRECTS + 1):
        _permit(asked, may_be_plain)
        try:
            body = session.get(
                asked,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            )
        except requests.exceptions.SSLError as error:
            raise Unavailable(f"{asked} has no valid certificate: {_short(error)}") from error
        except requests.RequestException as error:
            why = f"{urlsplit(asked).hostname} cannot be reached ({_short(error)})"
            raise Cut(why, no_connection=True) from error
        if body.status_code not in REDIRECTS:
            return body
        body.close()
        asked = urljoin(asked, body.headers.get("location", ""))
    raise Unavailable(f"{url} redirects more than {MOST_REDIRECTS} times")


def _permit(url: str, may_be_plain: bool) -> None:
    parts = urlsplit(url)
    plain = may_be_plain and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not plain:
        raise ConfigurationError(f"{url} is not fetched: only https is", code="insecure_url")


def _refused(url: str, status: int) -> None:
    if status == 429 or status >= 500:
        raise Cut(f"the server answers {status}")
    if status in (404, 410):
        raise NotFound(f"{url} is not there (the server answers {status})", code="no_such_file")
    if status not in (200, 206, 416):
        raise Unavailable(f"{url} is refused (the server answers {status})")


def _answer(body: requests.Response, begin: int) -> Answer:
    etag = body.headers.get("etag", "")
    # A weak one says only that the two mean the same.
    strong = etag if etag.startswith('"') else None
    if body.status_code == 200:
        length = body.headers.get("content-length", "")
        return Answer(0, int(length) if length.isdecimal() else None, strong, body)
    part = RANGE.fullmatch(body.headers.get("content-range", ""))
    if body.status_code == 416 or not part or int(part[1]) != begin:
        return Answer(-1, None, None, body)
    return Answer(begin, int(part[2]), strong, body)


def _short(error: Exception) -> str:
    """What lies at the bottom of requests' nested errors."""
    inner: BaseException = error
    while inner.__context__ or inner.__cause__:
        inner = inner.__cause__ or inner.__context__ or inner
    text = getattr(inner, "strerror", None) or str(inner)
    return str(text).strip() or type(inner).__name__


ATTEMPTS = 8
LONGEST_PAUSE = 15.0
CHUNK = 1 << 16


@dataclass(frozen=True)
class Downloader:
    """`tell` hears how many bytes of the file are here; `pause` waits, in seconds; `elsewhere` says
    what is to be done where the disk cannot take it, `resume` what becomes of what has arrived."""

    tell: Callable[[int], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    elsewhere: str = "take a folder elsewhere"
    resume: str = "another try goes on from there"

    def download(self, pin: Pin, to: Path) -> str:
        """The SHA-256 of the file, which now is at `to`, whole and checked.

        Raises Unavailable, NotFound, ConfigurationError; what has arrived is kept for the next
        time, unless it is wrong.
        """
        partial = PartialFile(to, self.elsewhere)
        earlier = partial.size > 0
        self._complete(pin, partial)
        if earlier and pin.sha256 not in (None, partial.digest()):
            # What an earlier run left may be what is wrong.
            partial.discard()
            self._complete(pin, partial)
        digest = partial.digest()
        if pin.sha256 not in (None, digest):
            partial.discard()
            raise ConfigurationError(
                f"{pin.url} has the SHA-256 {digest} instead of {pin.sha256}",
                "nothing of it is kept: the file, or something on the way, is not to be trusted",
                "wrong_hash",
            )
        partial.commit()
        return digest

    def _complete(self, pin: Pin, partial: PartialFile) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._go_on(pin, partial)
            except Cut as cut:
                offline = cut.no_connection and attempt == 1
                if offline or attempt == ATTEMPTS:
                    raise Unavailable(
                        f"cannot download {pin.url}: {cut}", self._next(partial)
                    ) from cut
            self.pause(min(2.0 ** (attempt - 1), LONGEST_PAUSE))
        return None

    def _go_on(self, pin: Pin, partial: PartialFile) -> None:
        """One request, for what is missing. Raises Cut where another may do better."""
        # Without an etag or a hash nothing tells whether the rest is of the same file.
        if (pin.bytes and partial.size > pin.bytes) or not (partial.etag or pin.sha256):
            partial.discard()
        if pin.bytes and partial.size == pin.bytes:
            return
        with ask(pin.url, partial.size, partial.etag) as answer:
            if answer.begin < 0:
                partial.discard()
                raise Cut("the server does not go on from where it was cut")
            if pin.bytes and answer.total not in (None, pin.bytes):
                raise _another_size(pin, f"{answer.total:,}")
            if not answer.begin:
                partial.begin(answer.etag)
            partial.need_room_for((pin.bytes or answer.total or 0) - partial.size)
            for here in partial.add(answer.chunks(CHUNK)):
                if pin.bytes and here > pin.bytes:
                    partial.discard()
                    raise _another_size(pin, "more")
                self.tell(here)
        if partial.size < (pin.bytes or answer.total or 0):
            raise Cut("the answer ended early")

    def _next(self, partial: PartialFile) -> str:
        if partial.size:
            return f"{partial.size:,} bytes have arrived; {self.resume}"
        return "check the network, and HTTPS_PROXY where there is a proxy"


def _another_size(pin: Pin, size: str) -> ConfigurationError:
    return ConfigurationError(
        f"{pin.url} has {size} bytes instead of {pin.bytes:,}",
        "nothing of it is kept: it is not the file that is pinned",
        "wrong_size",
    )


def bring(pin: Pin, path: Path, downloader: Downloader) -> None:
    """Have the file at `path`; nothing is fetched where it is there already.

    Raises Unavailable, NotFound, ConfigurationError.
    """
    # Of an unpinned file, one from an earlier attempt may be of another revision.
    if pin.sha256 and path.exists() and digest(path) == pin.sha256:
        return
    path.unlink(missing_ok=True)
    downloader.download(pin, path)


def entry_of(path: Path, *, make_weights_signed: bool) -> FileEntry:
    """What the manifest says of the file; unsigned weights are made signed first, if so wanted."""
    sha256 = digest(path)
    if not (make_weights_signed and make_signed(path)):
        return FileEntry(sha256=sha256, bytes=path.stat().st_size)
    return FileEntry(sha256=digest(path), bytes=path.stat().st_size, rewritten_from=sha256)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
