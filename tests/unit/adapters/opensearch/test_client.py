"""Valid connections are reused; failures are raised as errors of opensearch-py."""

import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from opensearchpy import OpenSearchWarning
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, NotFoundError, SSLError
from urllib3 import Timeout

from imagesearch.adapters.opensearch import client
from imagesearch.adapters.opensearch.client import MAX_CONNECTIONS, OpenSearchClient
from tests.support.servers.scripted_server import Response, certificate, scripted_server
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def extend_timeouts(monkeypatch):
    timeout = Timeout(connect=PATIENCE_SECONDS, read=PATIENCE_SECONDS)
    monkeypatch.setattr(client, "READ_TIMEOUT", timeout)


def connection(server, user="", path=""):
    url = f"http{'s' if server.secure else ''}://{user}localhost:{server.port}{path}"
    return OpenSearchClient(url).raw.transport.get_connection()


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def found(server):
    connected = connection(server)
    yield connected
    connected.close()


def test_a_response_has_status_headers_and_text(server, found):
    server.answer = Response(201, '{"a": "ü"}')
    status, headers, text = found.perform_request("POST", "/x", {"a": "b c"}, b"body")
    assert (status, headers["Content-Type"], text) == (201, "application/json", '{"a": "ü"}')
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/x?a=b+c", b"body")
    assert seen.headers["content-type"] == "application/json"


def test_a_connection_is_reused(server, found):
    for _ in range(3):
        found.perform_request("GET", "/")
    assert len({seen.peer for seen in server.seen}) == 1


def test_a_connection_closed_by_the_server_is_reopened(server, found):
    server.answer = Response(close="silently")
    found.perform_request("POST", "/", body=b"1")
    server.disconnected.wait(PATIENCE_SECONDS)
    found.perform_request("POST", "/", body=b"2")
    assert [seen.body for seen in server.seen] == [b"1", b"2"]


def test_a_server_can_announce_that_it_closes(server, found):
    server.answer = Response(close="announced")
    for _ in range(2):
        found.perform_request("GET", "/")
    assert len({seen.peer for seen in server.seen}) == 2


@pytest.mark.parametrize("close", ["before the answer", "within the answer"])
def test_a_partial_response_is_an_error_and_closes_its_connection(server, found, close):
    server.answer = Response(close=close)
    with pytest.raises(NoConnection) as broken:
        found.perform_request("POST", "/", body=b"1")
    assert broken.value.info is not None
    assert not isinstance(broken.value, ConnectionTimeout)
    server.answer = Response(text="whole")
    assert found.perform_request("GET", "/")[2] == "whole"
    assert [seen.body for seen in server.seen] == [b"1", b""]


def test_a_late_response_is_not_returned_for_the_next_request(server, found):
    found.perform_request("GET", "/")
    server.answer = Response(text="late", after=threading.Event())
    with pytest.raises(ConnectionTimeout):
        found.perform_request("GET", "/", timeout=Timeout(connect=PATIENCE_SECONDS, read=0.05))
    server.answer.after.set()
    server.answer = Response(text="prompt")
    assert found.perform_request("GET", "/")[2] == "prompt"


def test_an_unreachable_server_is_a_connection_error(server):
    alone = connection(server)
    server.stop()
    with pytest.raises(NoConnection, match="refused"):
        alone.perform_request("GET", "/")


def test_concurrent_threads_get_their_own_responses(server, found):
    server.answer = Response(text="{body}")
    with ThreadPoolExecutor(32) as pool:
        sent = [f"{number}" for number in range(200)]
        answers = pool.map(lambda n: found.perform_request("POST", "/", body=n.encode()), sent)
        assert [text for _, _, text in answers] == sent


def test_the_number_of_idle_connections_is_limited(server, found):
    for _ in range(2):
        server.answer = Response(after=threading.Event())
        with ThreadPoolExecutor(MAX_CONNECTIONS + 5) as pool:
            requested = [
                pool.submit(found.perform_request, "GET", "/") for _ in range(MAX_CONNECTIONS + 5)
            ]
            server.wait_for_requests(MAX_CONNECTIONS + 5)
            server.answer.after.set()
            assert {answer.result()[0] for answer in requested} == {200}
    peers = [seen.peer for seen in server.seen]
    assert len(peers) - len(set(peers)) == MAX_CONNECTIONS


def test_a_status_is_an_error_unless_it_is_expected(server, found):
    server.answer = Response(404, '{"error": {"type": "index_not_found_exception"}}')
    with pytest.raises(NotFoundError) as missing:
        found.perform_request("GET", "/x")
    assert missing.value.error == "index_not_found_exception"
    assert found.perform_request("GET", "/x", ignore=(404,))[0] == 404


def test_warnings_of_the_server_are_raised_as_warnings(server, found):
    server.answer = Response(headers={"Warning": '299 OpenSearch-3.5.0-1 "out of date"'})
    with pytest.warns(OpenSearchWarning, match="out of date"):
        found.perform_request("GET", "/x")


def test_user_and_password_of_the_url_are_sent_as_utf_8(server):
    named = connection(server, user="ann:p%C3%A4ss%E2%82%AC@")
    named.perform_request("GET", "/")
    named.close()
    (seen,) = server.seen
    encoded = b64encode("ann:päss€".encode()).decode()
    assert seen.headers["authorization"] == f"Basic {encoded}"


def test_the_signed_request_is_the_sent_request(server, monkeypatch):
    signed = []

    def sign(*request):
        signed.append(request)
        return {"authorization": "signed"}

    monkeypatch.setattr(client, "_authentication", lambda parts: {"http_auth": sign})
    prefixed = connection(server, path="/behind")
    prefixed.perform_request("POST", "/x", {"a": "b c"}, b"body")
    prefixed.close()
    (seen,) = server.seen
    assert signed == [("POST", f"http://localhost:{server.port}/behind/x?a=b+c", b"body")]
    assert (seen.path, seen.headers["authorization"]) == ("/behind/x?a=b+c", "signed")


def test_an_untrusted_certificate_is_rejected(tmp_path):
    with scripted_server(certificate(tmp_path, "localhost")) as server:
        with pytest.raises(SSLError, match=r"self.signed"):
            connection(server).perform_request("GET", "/")
        assert server.seen == []


def test_a_trusted_certificate_is_accepted(tmp_path, monkeypatch):
    made = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", f"{made}")
    with scripted_server(made) as server:
        trusting = connection(server)
        for _ in range(2):
            assert trusting.perform_request("POST", "/", body=b"x")[0] == 200
        trusting.close()
        assert len({seen.peer for seen in server.seen}) == 1


def test_a_trusted_certificate_of_another_host_is_rejected(tmp_path, monkeypatch):
    made = certificate(tmp_path, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", f"{made}")
    with (
        scripted_server(made) as server,
        pytest.raises(SSLError, match="not valid for 'localhost'"),
    ):
        connection(server).perform_request("GET", "/")
