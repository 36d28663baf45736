"""A small HTTP server with scripted responses, disconnects, delays and TLS."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.waiting import PATIENCE_SECONDS


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections over this backlog could be reset


class Seen(NamedTuple):
    method: str
    path: str
    headers: object
    body: bytes
    peer: object


@dataclass
class Response:
    """`{body}` in the text is the request body; `after` delays it; `close` is the kind of close."""

    status: int = 200
    text: str = ""
    headers: dict = field(default_factory=dict)
    close: str = ""
    after: threading.Event | None = None


class ScriptedServer:
    def __init__(self, certified: Path | None) -> None:
        self.answer = Response()
        self.seen: list[Seen] = []
        self.disconnected = threading.Event()
        self.secure = certified is not None
        self._received = threading.Semaphore(0)
        self._http = _Server(("localhost", 0), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        if certified:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certified, certified.with_suffix(".key"))
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        # Errors of clients that disconnect are not part of the test output.
        self._http.handle_error = lambda *_: None
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def wait_for_requests(self, count: int) -> None:
        """Block until this many requests have arrived."""
        for _ in range(count):
            assert self._received.acquire(timeout=PATIENCE_SECONDS)

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length)
        seen = Seen(handler.command, handler.path, handler.headers, body, handler.client_address)
        self.seen.append(seen)
        answer = self.answer
        self._received.release()
        if answer.after:
            assert answer.after.wait(PATIENCE_SECONDS)
        handler.close_connection = bool(answer.close)
        if answer.close != "before the answer":
            _send(handler, answer, answer.text.replace("{body}", body.decode()).encode())


def _send(handler: BaseHTTPRequestHandler, answer: Response, text: bytes) -> None:
    handler.send_response(answer.status)
    handler.send_header("content-type", "application/json")
    missing = 1 if answer.close == "within the answer" else 0
    handler.send_header("content-length", f"{len(text) + missing}")
    if answer.close == "announced":
        handler.send_header("connection", "close")
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text)


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.respond(self)

        def do_GET(self) -> None:
            server.respond(self)

        def finish(self) -> None:
            super().finish()
            self.connection.close()
            server.disconnected.set()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def scripted_server(certified: Path | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(certified)
    try:
        yield server
    finally:
        server.stop()


def certificate(folder: Path, host: str) -> Path:
    """Create a self-signed certificate, and its key in the same folder; returns its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.with_suffix(".key").write_bytes(private)
    return path
