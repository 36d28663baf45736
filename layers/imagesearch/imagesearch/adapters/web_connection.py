"""One HTTPS connection to addresses that are known already, which ends at a deadline."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from types import TracebackType


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
