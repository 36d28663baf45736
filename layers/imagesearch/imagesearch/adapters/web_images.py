"""Images from the web: HTTPS to public addresses only (SSRF), with limits of size and time.

http.client rather than a library: the connection must go to the addresses that were checked, and
end at a deadline for the whole response, which urllib3 and requests do not offer.
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
HINT = "send https:// and a host, without port, user or password; percent-encode other characters"


class HttpsImages:
    """Implements WebImages; thread-safe, and without state or cookies between two fetches.

    Proxies of the environment are ignored: they would resolve names themselves.
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

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """An image of up to `max_bytes` bytes.

        Raises InvalidQuery, PayloadTooLarge, and UnreadableImage where the first bytes are those of
        no image format.
        """
        deadline = time.monotonic() + self._seconds
        for _ in range(MAX_REDIRECTS + 1):
            data, location = self._get(checked(url), max_bytes, deadline)
            if location is None:
                return _image(data)
            url = urljoin(url, location)
        raise _unreachable(f"it redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: SplitResult, max_bytes: int, deadline: float) -> tuple[bytes, str | None]:
        """The bytes, or the location of a redirect."""
        host = url.hostname or ""
        left = deadline - time.monotonic()
        addresses = public_addresses(host, self._resolve, self._permitted, left)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            with WebConnection(host, addresses, self._port, self._tls, deadline) as connection:
                connection.request("GET", target, headers={"Host": host, **HEADERS})
                response = connection.getresponse()
                if response.status in REDIRECTS and (location := response.getheader("Location")):
                    return b"", location
                if response.status != 200:
                    raise _unreachable(f"its host answers {response.status}")
                return _read(response, max_bytes, deadline), None
        except ssl.SSLCertVerificationError as error:
            raise _unreachable("its host has no valid certificate") from error
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            reason = f"not within {self._seconds:g} seconds" if late else "the connection failed"
            raise _unreachable(reason) from error


class WebConnection(HTTPConnection):
    """HTTPS to the first of the resolved addresses that accepts; closed at a deadline.

    The certificate must be valid for the host name.
    """

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
        self._end = threading.Timer(max(0.0, deadline - time.monotonic()), self._abort)
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
        raw = self._open_socket()
        try:
            secure = self._tls.wrap_socket(
                raw, server_hostname=self.host, do_handshake_on_connect=False
            )
        except BaseException:
            raw.close()
            raise
        # Set before the handshake, which a host may delay; HTTPConnection clears `sock` before the
        # end of the response.
        self.sock = self._socket = secure
        secure.do_handshake()

    def _open_socket(self) -> socket.socket:
        failed: OSError = OSError("no address")
        for address in self._addresses:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                return socket.create_connection((address, self.port), timeout=left)
            except OSError as error:
                failed = error
        raise failed

    def _abort(self) -> None:
        """End the transfer: a socket's own timeout starts again with each byte received.

        The TLS socket's method must not be called by another thread during a read.
        """
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def checked(url: str) -> SplitResult:
    """The parts of a URL that may be fetched; raises InvalidQuery."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid(f"it has more than {MAX_URL:,} characters, or invalid ones")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid("it is not a URL") from error
    if parts.scheme != "https" or not parts.hostname:
        raise _invalid("it does not begin with https:// and a host")
    if "@" in parts.netloc or port not in (None, 443):
        raise _invalid("it names a user, a password or a port")
    return parts


def _read(response: HTTPResponse, max_bytes: int, deadline: float) -> bytes:
    if (response.length or 0) > max_bytes:
        raise _too_large(max_bytes)
    data = bytearray()
    while block := response.read(BLOCK):
        data += block
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    # Without Content-Length, a response that is aborted at the deadline looks complete.
    if response.length or time.monotonic() >= deadline:
        raise OSError("the response is incomplete")
    return bytes(data)


def _image(data: bytes) -> bytes:
    if sniff(data[:SNIFF_BYTES]) is None:
        raise not_an_image()
    return data


def not_an_image() -> UnreadableImage:
    """The error for a response whose first bytes are those of no image format."""
    return UnreadableImage(
        "url: the response is not an image", "send the URL of the image file itself"
    )


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"url: the image has more than {max_bytes:,} bytes", "send a smaller one"
    )


def _invalid(reason: str) -> InvalidQuery:
    return InvalidQuery(f"url: {reason}", HINT, "invalid_url")


def _unreachable(reason: str) -> InvalidQuery:
    return InvalidQuery(
        f"url: it cannot be fetched: {reason}",
        "check that a browser shows the image there, or send its bytes",
        "url_unreachable",
    )
