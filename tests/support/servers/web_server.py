"""A test web server: HTTPS for `pictures.test` with a self-signed certificate."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.waiting import PATIENCE_SECONDS

HOST = "pictures.test"
Serve = Callable[[ssl.SSLSocket, bytes], None]


@dataclass
class WebServer:
    """`serve` gets the connection and the head of each request; `requests` records the heads."""

    port: int
    trusting: ssl.SSLContext
    serve: Serve = lambda connection, _: connection.sendall(b"HTTP/1.1 404 No\r\n\r\n")
    requests: list[bytes] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def answer(self, *parts: bytes) -> None:
        """Answer all further requests with these parts."""

        def serve(connection: ssl.SSLSocket, _: bytes) -> None:
            for part in parts:
                connection.sendall(part)

        self.serve = serve


@contextmanager
def web_server(folder: Path, host: str = HOST) -> Iterator[WebServer]:
    certificate, key = _certified(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        trusting = ssl.create_default_context(cafile=str(certificate))
        server = WebServer(listening.getsockname()[1], trusting)
        thread = threading.Thread(target=_run, args=(server, listening, context), daemon=True)
        thread.start()
        yield server
        server.stopping.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_SECONDS)


def _run(server: WebServer, listening: socket.socket, context: ssl.SSLContext) -> None:
    while not server.stopping.is_set():
        try:
            raw, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_handle, args=(server, raw, context), daemon=True).start()


def _handle(server: WebServer, raw: socket.socket, context: ssl.SSLContext) -> None:
    """Handle one request per connection. Clients can disconnect at any time."""
    try:
        with raw, context.wrap_socket(raw, server_side=True) as connection:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(65_536)):
                    return
                head += more
            server.requests.append(head)
            server.serve(connection, head)
    except OSError:
        return


def _certified(folder: Path, host: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{host}.crt", folder / f"{host}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
