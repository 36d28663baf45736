"""Images from the web: over HTTPS from public addresses, bounded in size and time.

One HTTPS connection to addresses that are known already, which ends at a deadline.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType
from urllib.parse import SplitResult, urljoin, urlsplit

from imagesearch.adapters.public_addresses import Resolve, is_public, public_addresses, resolve
from imagesearch.domain.errors import InvalidQuery, PayloadTooLarge, UnreadableImage
from imagesearch.domain.media_types import SNIFF_BYTES, sniff


class WebConnection(HTTPConnection):
    """The certificate must be the host's, whichever of its addresses answers."""

    def __init__(
        self,
        host: str,
        addresses: Sequence[str],
        port: int,
        tls: ssl.SSLContext,
        deadline: float,
    ) -> None:
        super().__init__(host, port)
        self._addresses = addresses
        self._tls = tls
        self._deadline = deadline
        self._socket: ssl.SSLSocket | None = None
        self._end = threading.Timer(max(0.0, deadline - time.monotonic()), self._cut)
        self._end.daemon = True

    def __enter__(self) -> "WebConnection":
        self._end.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.cancel()
        self.close()

    def connect(self) -> None:
        """Raises OSError."""
        raw = self._connected()
        try:
            secure = self._tls.wrap_socket(
                raw, server_hostname=self.host, do_handshake_on_connect=False
            )
        except BaseException:
            raw.close()
            raise
        # Known before the handshake, which a host may draw out; and `sock` is given up before the
        # answer has ended.
        self.sock = self._socket = secure
        secure.do_handshake()

    def _connected(self) -> socket.socket:
        failed: OSError = OSError("there is no address")
        for address in self._addresses:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                return socket.create_connection((address, self.port), timeout=left)
            except OSError as error:
                failed = error
        raise failed

    def _cut(self) -> None:
        """Each byte that comes in time would keep a socket's own timeout from ending it.

        Not by the TLS socket's own method, which another thread must not call while this one reads.
        """
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


MAX_URL = 2_048
MAX_REDIRECTS = 3
SECONDS = 10.0
BLOCK = 65_536
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {
    "User-Agent": "imagesearch",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
HINT = "send https:// and a host, without a port, a user or a password; escape other signs"


class WebImages:
    """May be used from several threads; keeps nothing between two fetches, not even a cookie.

    No proxy of the environment is asked: it would resolve names itself.
    """

    def __init__(
        self,
        resolve: Resolve = resolve,
        permitted: Callable[[str], bool] = is_public,
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 443,
        seconds: float = SECONDS,
    ) -> None:
        self._resolve = resolve
        self._permitted = permitted
        self._tls = tls or ssl.create_default_context()
        self._port = port
        self._seconds = seconds

    def fetch(self, url: str, most: int) -> bytes:
        """An image of up to `most` bytes.

        Raises InvalidQuery, PayloadTooLarge, and UnreadableImage for what begins as no image does.
        """
        deadline = time.monotonic() + self._seconds
        for _ in range(MAX_REDIRECTS + 1):
            data, location = self._get(checked(url), most, deadline)
            if location is None:
                return _image(data)
            url = urljoin(url, location)
        raise _unreachable(f"it redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: SplitResult, most: int, deadline: float) -> tuple[bytes, str | None]:
        """The bytes, or where they are instead."""
        host = url.hostname or ""
        left = deadline - time.monotonic()
        addresses = public_addresses(host, self._resolve, self._permitted, left)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            with WebConnection(host, addresses, self._port, self._tls, deadline) as connection:
                connection.request("GET", target, headers={"Host": host, **HEADERS})
                answer = connection.getresponse()
                if answer.status in REDIRECTS and (location := answer.getheader("Location")):
                    return b"", location
                if answer.status != 200:
                    raise _unreachable(f"its host answers {answer.status}")
                return _read(answer, most, deadline), None
        except ssl.SSLCertVerificationError as error:
            raise _unreachable("its host has no valid certificate") from error
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            why = f"not within {self._seconds:g} seconds" if late else "the connection failed"
            raise _unreachable(why) from error


def checked(url: str) -> SplitResult:
    """The parts of an address that may be fetched; raises InvalidQuery."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid(f"it has more than {MAX_URL:,} characters, or such as belong in no address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid("it is no address") from error
    if parts.scheme != "https" or not parts.hostname:
        raise _invalid("it does not begin with https:// and a host")
    if "@" in parts.netloc or port not in (None, 443):
        raise _invalid("it names a user, a password or a port")
    return parts


def _read(answer: HTTPResponse, most: int, deadline: float) -> bytes:
    if (answer.length or 0) > most:
        raise _too_large(most)
    data = bytearray()
    while block := answer.read(BLOCK):
        data += block
        if len(data) > most:
            raise _too_large(most)
    # Where no length was told, an answer that is cut at the deadline looks like a whole one.
    if answer.length or time.monotonic() >= deadline:
        raise OSError("the answer was cut")
    return bytes(data)


def _image(data: bytes) -> bytes:
    if sniff(data[:SNIFF_BYTES]) is None:
        raise UnreadableImage(
            "url: what is there is no image", "send the address of the image's file itself"
        )
    return data


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"url: the image has more than {most:,} bytes", "send a smaller one")


def _invalid(why: str) -> InvalidQuery:
    return InvalidQuery(f"url: {why}", HINT, "invalid_url")


def _unreachable(why: str) -> InvalidQuery:
    return InvalidQuery(
        f"url: it cannot be fetched: {why}",
        "check that a browser shows the image there, or send its bytes",
        "url_unreachable",
    )
