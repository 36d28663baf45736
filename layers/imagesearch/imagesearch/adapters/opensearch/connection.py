"""HTTP to one OpenSearch server, by the standard library; what it raises is opensearch-py's.

opensearch-py's own connection by urllib3 does the same in more steps: a search took a quarter of a
millisecond longer by it.
"""

import http.client
import select
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from opensearchpy import Connection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, SSLError

CONNECTIONS = 16


class Timeout(NamedTuple):
    """Seconds for making a connection, and for each wait for the other side after that."""

    connect: float
    read: float


class StandardConnection(Connection):  # type: ignore[misc]  # has no types
    """Keeps up to CONNECTIONS open between requests; may be used by several threads at once.

    `http_auth` is a user with a password, or signs: (method, URL, body) → headers.
    """

    timeout: Timeout

    def __init__(self, http_auth: Any = None, **more: Any) -> None:
        super().__init__(**more)
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._trusted = _trusted(self.default_ca_certs()) if self.use_ssl else None
        self._sign = http_auth if callable(http_auth) else None
        if http_auth and not self._sign:
            encoded = b64encode(":".join(http_auth).encode()).decode()
            self.headers["authorization"] = f"Basic {encoded}"

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: Timeout | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and body of the answer; raises what its status stands for."""
        path = f"{self.url_prefix}{url}{'?' + urlencode(params) if params else ''}"
        signed = self._sign(method, self.host + path, body) if self._sign else {}
        sent = {**self.headers, **(headers or {}), **signed}
        answer, data = self._exchange(method, path, body, sent, timeout or self.timeout)
        text = data.decode("utf-8", "surrogatepass")
        self._raise_warnings(answer.headers.get_all("warning"))
        if not 200 <= answer.status < 300 and answer.status not in ignore:
            self._raise_error(answer.status, text, answer.headers.get("content-type"))
        return answer.status, answer.headers, text

    def close(self) -> None:
        """Drop the connections; the next request makes new ones."""
        while connection := self._pop():
            connection.close()

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: Timeout
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connected(timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except BaseException as error:
            # It may be in the middle of an answer, which nobody else must get.
            connection.close()
            if isinstance(error, TimeoutError):
                raise ConnectionTimeout("TIMEOUT", str(error), error) from error
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise NoConnection("N/A", str(error) or repr(error), error) from error
            raise
        if connection.sock and len(self._idle) < CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()
        return answer, data

    def _connected(self, timeout: Timeout) -> http.client.HTTPConnection:
        """One that is open already where the other side has not closed it meanwhile."""
        while connection := self._pop():
            if not _has_news(connection.sock):
                connection.sock.settimeout(timeout.read)
                return connection
            connection.close()
        connection = self._new(timeout.connect)
        try:
            connection.connect()
        except ssl.SSLError as error:
            raise SSLError("N/A", str(error), error) from error
        except OSError as error:
            raise NoConnection("N/A", str(error), error) from error
        connection.sock.settimeout(timeout.read)
        return connection

    def _new(self, timeout: float) -> http.client.HTTPConnection:
        if self._trusted is None:
            return http.client.HTTPConnection(self.hostname, self.port, timeout=timeout)
        return http.client.HTTPSConnection(
            self.hostname, self.port, timeout=timeout, context=self._trusted
        )

    def _pop(self) -> http.client.HTTPConnection | None:
        """The one used last: the others end on the server's side when they are not needed."""
        try:
            return self._idle.pop()
        except IndexError:
            return None


def _has_news(sock: Any) -> bool:
    """Between requests the other side has nothing to say but that it is gone."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))


def _trusted(certificates: str | None) -> ssl.SSLContext:
    """A file of authorities; a folder is one that OpenSSL finds by itself, as SSL_CERT_DIR."""
    known = certificates if certificates and Path(certificates).is_file() else None
    return ssl.create_default_context(cafile=known)
