"""Images from the web: downloads, and rejected URLs."""

import socket
import ssl
import threading

import pytest

from imagesearch.adapters.web_images import MAX_REDIRECTS, MAX_URL, HttpsImages, checked
from imagesearch.domain.errors import InvalidQuery, PayloadTooLarge, UnreadableImage
from tests.support.servers.web_server import HOST, WebServer, web_server
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
URL = f"https://{HOST}/owl.png"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@pytest.fixture
def server(tmp_path):
    with web_server(tmp_path) as server:
        server.answer(OK + b"Content-Length: %d\r\n\r\n" % len(PNG), PNG)
        yield server


def images(server: WebServer, **more) -> HttpsImages:
    """All names resolve to loopback, which is permitted."""
    known = {"tls": server.trusting, "port": server.port, "permitted": lambda _: True}
    known |= {"seconds": PATIENCE_SECONDS}
    return HttpsImages(lambda _: ["127.0.0.1"], **(known | more))


def error_code(images: HttpsImages, url: str = URL, most: int = 1_000) -> str:
    with pytest.raises(InvalidQuery) as raised:
        images.fetch(url, most)
    assert raised.value.hint
    assert "127.0.0.1" not in raised.value.message
    return raised.value.code


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_an_image_is_requested_with_its_host_name_and_no_identifying_headers(server):
    assert images(server).fetch(f"{URL}?size=1#part", 1_000) == PNG
    [head] = server.requests
    assert head.startswith(b"GET /owl.png?size=1 HTTP/1.1\r\nHost: pictures.test\r\n")
    assert b"ookie" not in head
    assert b"uthorization" not in head


@pytest.mark.parametrize("most", [len(PNG), 1_000])
def test_an_image_at_the_size_limit_is_accepted(server, most):
    assert images(server).fetch(URL, most) == PNG


def test_a_larger_image_is_rejected_with_and_without_content_length(server):
    with pytest.raises(PayloadTooLarge):
        images(server).fetch(URL, len(PNG) - 1)
    server.answer(OK + b"\r\n", PNG, bytes(1_000_000))
    with pytest.raises(PayloadTooLarge):
        images(server).fetch(URL, 100_000)


def test_a_chunked_response_is_joined(server):
    server.answer(
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"8\r\n" + PNG[:8] + b"\r\n",
        b"%x\r\n" % (len(PNG) - 8) + PNG[8:] + b"\r\n0\r\n\r\n",
    )
    assert images(server).fetch(URL, 1_000) == PNG


def test_a_truncated_response_is_an_error(server):
    server.answer(OK + b"Content-Length: 500\r\n\r\n", PNG)
    assert error_code(images(server)) == "url_unreachable"


def test_an_html_page_is_not_an_image(server):
    server.answer(OK + b"\r\n", b"<!doctype html>")
    with pytest.raises(UnreadableImage, match="not an image"):
        images(server).fetch(URL, 1_000)


@pytest.mark.parametrize("status", [b"404 No", b"500 Broken", b"206 Part", b"304 Same"])
def test_any_other_status_is_rejected(server, status):
    server.answer(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    assert error_code(images(server)) == "url_unreachable"


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_a_server_that_does_not_speak_http_is_unreachable(server, answer):
    server.answer(answer)
    assert error_code(images(server)) == "url_unreachable"


def test_redirects_are_followed_up_to_a_limit(server):
    def serve(connection, head: bytes) -> None:
        step = int(head.split()[1].rpartition(b"/")[2])
        last = OK + b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG
        connection.sendall(redirect(f"/steps/{step - 1}") if step else last)

    server.serve = serve
    assert images(server).fetch(f"https://{HOST}/steps/{MAX_REDIRECTS}", 1_000) == PNG
    assert (
        error_code(images(server), f"https://{HOST}/steps/{MAX_REDIRECTS + 1}") == "url_unreachable"
    )


@pytest.mark.parametrize(
    "to",
    [
        "http://pictures.test/",
        "https://pictures.test:8443/",
        "file:///etc/passwd",
        "https://u@x.test/",
    ],
)
def test_a_redirect_to_a_forbidden_url_is_rejected(server, to):
    server.answer(redirect(to))
    assert error_code(images(server)) == "invalid_url"
    assert len(server.requests) == 1


def test_a_redirect_to_a_private_host_is_rejected_without_a_request(server):
    server.answer(redirect("https://inside.test/secret"))
    addresses = {HOST: ["127.0.0.1"], "inside.test": ["10.0.0.7"]}
    web = HttpsImages(
        addresses.__getitem__,
        lambda address: address == "127.0.0.1",
        tls=server.trusting,
        port=server.port,
    )
    assert error_code(web) == "invalid_url"
    assert len(server.requests) == 1


def test_a_host_is_resolved_once_and_contacted_at_the_checked_addresses(server):
    requested = []

    def once(host: str) -> list[str]:
        requested.append(host)
        return ["127.0.0.1"] if len(requested) == 1 else ["10.0.0.7"]

    web = HttpsImages(once, lambda _: True, tls=server.trusting, port=server.port)
    assert web.fetch(URL, 1_000) == PNG
    assert requested == [HOST]


def test_loopback_is_rejected_by_default(server):
    assert error_code(HttpsImages(lambda _: ["127.0.0.1"], port=server.port)) == "invalid_url"
    assert server.requests == []


def test_a_certificate_must_be_trusted_and_match_the_host(server):
    assert error_code(images(server), "https://other.test/") == "url_unreachable"
    assert error_code(images(server, tls=ssl.create_default_context())) == "url_unreachable"
    assert server.requests == []


def test_a_closed_port_is_unreachable(server):
    assert error_code(images(server, port=1)) == "url_unreachable"


@pytest.mark.parametrize("drip", [b"H", OK + b"\r\n" + PNG])
def test_a_host_that_sends_slowly_times_out(server, drip):
    connected, ended = threading.Event(), threading.Event()

    def serve(connection, _: bytes) -> None:
        connected.set()
        try:
            connection.sendall(drip)
            while not server.stopping.wait(0.02):
                connection.sendall(b"x")
        finally:
            ended.set()

    server.serve = serve
    seconds = 0.3
    while not connected.is_set():  # a busy machine can take longer to connect
        assert error_code(images(server, seconds=seconds), most=10**9) == "url_unreachable"
        seconds *= 2
    assert ended.wait(PATIENCE_SECONDS)


def test_a_host_that_never_completes_the_handshake_times_out(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert error_code(images(server, port=port, seconds=0.2)) == "url_unreachable"


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "http://a.test/x.png", "ftp://a.test/", "//a.test/", "https:///x", "https://"),
        *("https://user@a.test/", "https://user:pw@a.test/", "https://@a.test/"),
        *("https://a.test:80/", "https://a.test:x/", "https://a.test:0443x/", "https://[::1/"),
        *("https://a.test/a b", "https://a.test/\n", "https://ä.test/", "https://a.test/\x00"),
        "https://a.test/" + "x" * MAX_URL,
    ],
)
def test_an_invalid_url_is_rejected(url):
    with pytest.raises(InvalidQuery) as raised:
        checked(url)
    assert raised.value.code == "invalid_url"


@pytest.mark.parametrize("url", ["https://a.test", "HTTPS://A.test:443/x?y=%20#z"])
def test_a_valid_url_is_accepted(url):
    assert checked(url).hostname == "a.test"
