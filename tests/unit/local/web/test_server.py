"""The server enforces its limits with misbehaving clients."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from select import select

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.search.gateway_errors import MAX_HEADER_BYTES
from local.errors import UsageError
from local.web.connections import BODY_BYTES_PER_SECOND, BODY_SECONDS, HEADER_SECONDS, Parser
from local.web.errors import MAX_BODY_BYTES, MAX_OTHER_BODY_BYTES
from local.web.lanes import SEARCH_THREADS, WAITING_SEARCHES
from local.web.server import Server
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SERVING = """
import sys
from pathlib import Path
from threading import Event
from local.web.auth import ApiKeys
from local.web.application import Access, application
from local.lambda_runtime import settings_of
from local.web.gateway import Gateway
from local.web.hosts import AllowedHosts
from local.web.server import Server
from local.workspace import workspace_of

released = Event()

def handler(event, context):
    # Searches for `slow` end when the health check is asked to release them.
    asked = event["queryStringParameters"] or {}
    if asked.get("q") == "slow":
        released.wait()
    if "release" in asked:
        released.set()
    body = str(len(event["body"] or ""))
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": body}

server = Server("127.0.0.1", 0)
print(server.port, flush=True)
workspace = workspace_of(Path(sys.argv[1]), Path(sys.argv[2]))
settings = settings_of(workspace, Path("unused"))
access = Access("127.0.0.1", ApiKeys({}), AllowedHosts("127.0.0.1"))
server.run(application(workspace, Gateway(handler), bool, access, settings))
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    command = [
        sys.executable,
        "-c",
        SERVING,
        *(str(tmp_path_factory.mktemp(name)) for name in ("served", "data")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as made:
        yield made


def test_a_body_at_the_limit_is_accepted(client: httpx.Client) -> None:
    answer = client.post("/v1/search", content=b"x" * MAX_BODY_BYTES)
    assert (answer.status_code, answer.text) == (200, str(MAX_BODY_BYTES))


def test_a_body_over_the_limit_is_rejected_before_it_is_read(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
            + f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode()
        )
        answer = _all_of(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/json" in head
    assert json.loads(body)["error"]["code"] == "image_too_large"


def test_a_body_of_unknown_length_over_the_limit_is_rejected(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        try:
            for _ in range(12):
                connection.sendall(chunk)
            answer = _all_of(connection)
        except OSError:  # the server closed the connection, which is also valid
            return
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_headers_over_the_limit_are_rejected_with_an_api_error(client: httpx.Client) -> None:
    assert client.get("/", headers={"x": "y" * (MAX_HEADER_BYTES - 500)}).status_code == 200
    answer = client.get("/", headers={"x": "y" * MAX_HEADER_BYTES})
    assert answer.status_code == 431
    assert answer.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize("path", ["/", "/v1/health", "/files/none"])
def test_a_head_response_has_the_length_of_the_body_and_nothing_after_its_headers(
    path: str, port: int, client: httpx.Client
) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        head = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        headers, _, after = _all_of(connection).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(client.get(path).content) in headers.lower()
    assert after == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: local",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_a_failing_client_affects_no_other(sent: bytes, port: int, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
    assert client.get("/").status_code == 200


def request(port: int, head: str, *lines: str) -> socket.socket:
    """A connection that has sent the head of a request."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    connection.sendall("\r\n".join([f"{head} HTTP/1.1", *lines, "", ""]).encode())
    return connection


def response(connection: socket.socket) -> tuple[HTTPResponse, bytes]:
    """The next response on a connection, read to its end in as many parts as arrive."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer, answer.read()


@pytest.mark.parametrize("expecting", [[], ["Expect: 100-continue"]])
@pytest.mark.parametrize(
    ("head", "host", "length", "status"),
    [
        ("POST /upload", "localhost", 1_000, b"403"),
        ("POST /v1/search", "evil.example", 1_000, b"421"),
        ("POST /v1/search", "localhost", MAX_BODY_BYTES + 1, b"413"),
        ("POST /docs", "localhost", MAX_OTHER_BODY_BYTES + 1, b"413"),
    ],
)
def test_a_request_is_refused_by_its_headers_before_its_body_is_sent(
    port: int, head: str, host: str, length: int, status: bytes, expecting: list[str]
) -> None:
    lines = [f"Host: {host}", f"Content-Length: {length}", *expecting]
    with request(port, head, *lines) as connection:
        answer = _all_of(connection)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


def test_a_client_that_sends_a_refused_body_gets_the_response(client: httpx.Client) -> None:
    answer = client.post("/upload", content=bytes(3 * 2**20))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")


ALLOWED = st.builds(
    "{}{}".format,
    st.sampled_from(
        "localhost LocalHost localhost. 127.0.0.1 127.1 0x7f.1 2130706433 [::1]".split()
    ),
    st.sampled_from(["", ":", ":0", ":8000", ":65535"]),
)
# Formatted with an allowed host.
REFUSED = st.sampled_from(
    " evil.example|null|*|.|..|:80|[|]|[]|[::1|::1|[::]|[::2]|[fe80::1]|[::1]evil|[evil]|0|0.0.0.0"
    "|127.0.0.1.nip.io|localhost.evil.example|{}.evil.example|evil-{}|evil@{}|{}@evil.example"
    "|{}:pass@evil.example|{},evil.example|evil.example,{}|{} evil.example|{}/|{}#|{}?|{}%00|{}..:1"
    "|{}:x|{}:123456|{}:80:80|http://{}|//{}|{}\0|\0{}|{}\x01|{}\x7f|{}\x85|{}\xa0|l\xf6calhost"
    "|{}\r\n evil.example|\r\n {}|\r\n\t{}|{}\n|{}\revil.example|localhos\xc5\xa5".split("|")
)
PATHS = st.sampled_from(
    "/ /v1/search?q=x /v1/health /files/a.jpg /thumbnails/a /docs //evil/ /%00 /?h=a".split()
)


@st.composite
def requests_of_pages(draw: st.DrawFn) -> tuple[bytes, bool]:
    """The bytes of a request, and whether a page of an allowed host can have sent it."""
    host = draw(ALLOWED)
    other = draw(REFUSED).replace("{}", host)
    method = draw(st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"]))
    hosts, named = draw(
        st.sampled_from(
            [
                ([host], True),
                ([other], False),
                ([], False),
                ([""], False),
                ([host, host], False),
                ([host, other], False),
                ([other, host], False),
            ]
        )
    )
    is_name = bool(re.fullmatch(r"[!-~]+", other)) and not set(other) & set("/?#")
    named_by_target = other if is_name else "evil.example"
    authority, same = draw(
        st.sampled_from(
            [
                ("", True),
                (f"http://{host}", True),
                (f"HTTPS://{named_by_target}", False),
                ("//evil.example", True),
            ]
        )
    )
    changes = method not in ("GET", "HEAD", "OPTIONS")
    origins, own = draw(
        st.sampled_from(
            [
                ([], True),
                ([f"http://{host}"], True),
                ([f"https://{host}"], True),
                ([f"http://{other}"], not changes),
                (["null"], not changes),
                ([""], not changes),
                (["http://["], not changes),
                ([f"file://{host}"], not changes),
                ([f"http://{host}/"], not changes),
                ([f"http://evil@{host}"], not changes),
                ([f"http://{host}", "http://evil.example"], not changes),
                (["http://evil.example", f"http://{host}"], not changes),
            ]
        )
    )
    lines = draw(
        st.permutations(
            [
                *(f"{draw(NAME_OF_HOST)}{each}" for each in hosts),
                *(f"Origin: {each}" for each in origins),
                "Content-Length: 2",
            ]
        )
    )
    version = draw(st.sampled_from(["1.1", "1.0"]))
    head = [
        f"{method} {authority}{draw(PATHS)} HTTP/{version}",
        *lines,
        "Connection: close",
        "",
        "",
    ]
    is_whole = not any(character in f"{lines}" for character in ("\\r", "\\n"))
    return "\r\n".join(head).encode("latin-1") + b"{}", is_whole and named and same and own


NAME_OF_HOST = st.sampled_from(["Host: ", "host:", "HOST:\t "])


@given(sent=requests_of_pages())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_only_an_allowed_host_and_its_own_pages_are_answered(
    port: int, sent: tuple[bytes, bool]
) -> None:
    """An attack by DNS rebinding over a raw socket."""
    data, is_allowed = sent
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(data)
        status = _all_of(connection).partition(b"\r\n")[0].split(b" ")[1:2]
    assert status in (ANSWERS if is_allowed else REFUSALS), data


ANSWERS = [[b"200"], [b"404"], [b"405"]]
REFUSALS = [[b"400"], [b"403"], [b"421"]]


def test_silent_and_slow_connections_do_not_affect_other_clients(
    port: int, client: httpx.Client
) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
            for _ in range(150)
        ]
        for letter in b"GET / H":
            for connection in slow[::2]:
                connection.sendall(bytes([letter]))
            assert client.get("/").status_code == 200
            assert client.get("/v1/search").status_code == 200


def test_a_request_that_arrives_too_slowly_is_overdue() -> None:
    parser = Parser(None, None)
    begun = parser.started
    assert not parser.overdue(begun + HEADER_SECONDS)
    assert parser.overdue(begun + HEADER_SECONDS + 1)
    parser.headers_finished = True
    limit = HEADER_SECONDS + BODY_SECONDS
    assert parser.overdue(begun + limit + 1)
    parser.body_bytes_received = 100 * BODY_BYTES_PER_SECOND
    assert not parser.overdue(begun + limit + 100)
    assert parser.overdue(begun + limit + 101)


def test_searches_over_the_limit_get_a_503_and_health_and_page_are_answered(
    port: int, client: httpx.Client
) -> None:
    excess = 20
    accepted = SEARCH_THREADS + WAITING_SEARCHES
    with ExitStack() as stack:
        searches = [
            stack.enter_context(request(port, "GET /v1/search?q=slow", "Host: localhost"))
            for _ in range(accepted + excess)
        ]
        refused: list[socket.socket] = []
        while len(refused) < excess:
            refused, *_ = select(searches, [], [], PATIENCE_SECONDS)
            assert refused
        for connection in refused:
            answer, body = response(connection)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert json.loads(body)["error"]["code"] == "overloaded"
        for path in ("/v1/health", "/", "/openapi.json", "/assets/1/page.js", "/files/none.jpg"):
            assert client.get(path).status_code in (200, 404)
        assert client.get("/v1/search").status_code == 503
        # A refused connection can be used again, and what was accepted is answered.
        client.get("/v1/health", params={"release": "1"})
        refused[0].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in (refused[0], *set(searches) - set(refused)):
            answer, _ = response(connection)
            assert answer.status == 200


def test_many_concurrent_clients_are_answered(port: int) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(
            httpx.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_SECONDS).status_code
        )

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40


def test_head_returns_no_body(client: httpx.Client) -> None:
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_port_in_use_is_reported() -> None:
    with (
        closing(Server("127.0.0.1", 0)) as first,
        pytest.raises(UsageError, match=f"port {first.port} is in use"),
    ):
        Server("127.0.0.1", first.port)


def test_an_address_of_another_machine_is_reported() -> None:
    with pytest.raises(UsageError, match="cannot listen on"):
        Server("no-such-host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")],  # noqa: S104
)
def test_the_printed_url_works(host: str, shown: str) -> None:
    with closing(Server(host, 0)) as server:
        assert server.url == f"http://{shown}:{server.port}"


def _all_of(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
