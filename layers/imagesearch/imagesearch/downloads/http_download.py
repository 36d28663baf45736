"""One GET over HTTPS, from wherever the file begins to be missing: redirects, ranges, refusals."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from imagesearch.domain.errors import ConfigurationError, NotFound, Unavailable

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
