"""The gateway converts requests to events of API Gateway, and responses to HTTP."""

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.web.gateway import Gateway, HttpRequest, http_response, proxy_event
from tests.support.waiting import PATIENCE_SECONDS

Call = Callable[..., Any]


def echo(event: dict[str, Any], _: Any) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"X-Made": "yes"}, "body": json.dumps(event)}


def test_the_handler_gets_the_request_and_the_client_the_response(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/images/ä?limit=3&q=a+b", HTTP_X_API_KEY="k")
    event = json.loads(answer.body)
    assert answer.status == "200 OK"
    assert answer.headers["X-Made"] == "yes"
    assert event["path"] == "/v1/images/ä"
    assert event["queryStringParameters"] == {"limit": "3", "q": "a b"}
    assert event["headers"]["x-api-key"] == "k"
    assert event["headers"]["host"] == "localhost:8000"


def test_a_head_request_gets_no_body(call: Call) -> None:
    def without_body_for_head(event: dict[str, Any], _: Any) -> dict[str, Any]:
        return {"statusCode": 200, "body": "" if event["httpMethod"] == "HEAD" else "four"}

    answer = call(Gateway(without_body_for_head), "/", "HEAD")
    assert (answer.status, answer.body) == ("200 OK", b"")
    assert answer.headers["Content-Length"] == "4"


def test_a_handler_exception_is_a_502_without_a_stack_trace(call: Call) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("secret")

    answer = call(Gateway(broken), "/v1/health")
    assert answer.status == "502 Bad Gateway"
    assert json.loads(answer.body)["error"]["code"] == "internal_error"
    assert b"secret" not in answer.body


def test_image_bytes_without_a_content_type_are_400(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/search", "POST", b"\xff\xd8\xff")
    assert answer.status == "400 Bad Request"
    assert "content-type" in json.loads(answer.body)["error"]["hint"]


def test_a_query_of_very_many_fields_is_a_400(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/search?" + "a=1&" * 5_000)
    assert answer.status == "400 Bad Request"
    assert "parameters" in json.loads(answer.body)["error"]["message"]


def test_requests_are_handled_at_the_same_time(call: Call) -> None:
    together = threading.Barrier(4)

    def handler(*_: Any) -> dict[str, Any]:
        together.wait(PATIENCE_SECONDS)
        return {"statusCode": 200, "body": ""}

    app = Gateway(handler)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: call(app, "/v1/health"), range(4)))
    assert [answer.status for answer in answers] == ["200 OK"] * 4


def test_a_query_keeps_every_value_and_its_last_one() -> None:
    event = proxy_event(HttpRequest("GET", "/v1/search", [("q", "a b"), ("x", "1"), ("x", "2")]))
    assert event["queryStringParameters"] == {"q": "a b", "x": "2"}
    assert event["multiValueQueryStringParameters"] == {"q": ["a b"], "x": ["1", "2"]}
    assert event["pathParameters"] == {"proxy": "v1/search"}


def test_no_query_and_no_body_are_null_as_in_api_gateway() -> None:
    event = proxy_event(HttpRequest("GET", "/"))
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["body"] is None
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["requestId"]


@pytest.mark.parametrize("content_type", ["image/jpeg", "IMAGE/PNG"])
def test_image_bytes_are_passed_in_base64(content_type: str) -> None:
    data = bytes(range(256))
    headers = {"content-type": content_type}
    event = proxy_event(HttpRequest("POST", "/v1/search", headers=headers, body=data))
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == data
    assert event["multiValueHeaders"] == {"content-type": [content_type]}


def test_json_is_passed_as_text() -> None:
    headers = {"content-type": "application/json"}
    event = proxy_event(
        HttpRequest("POST", "/v1/search", headers=headers, body='{"ü": 1}'.encode())
    )
    assert (event["body"], event["isBase64Encoded"]) == ('{"ü": 1}', False)


def test_invalid_utf_8_declared_as_text_is_rejected() -> None:
    with pytest.raises(UnicodeDecodeError):
        proxy_event(HttpRequest("POST", "/v1/search", body=b"\xff\xd8\xff"))


def test_a_response_in_base64_is_decoded() -> None:
    answer = http_response(
        {"statusCode": 200, "body": base64.b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}
    )
    assert (answer.status, answer.body) == (200, b"\xff\x00")


def test_a_response_keeps_repeated_headers_and_drops_its_content_length() -> None:
    answer = http_response(
        {
            "statusCode": 201,
            "headers": {"Set-Cookie": "lost", "X-One": 1, "Content-Length": "999"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": "é",
        }
    )
    assert answer.headers == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-One", "1")]
    assert answer.body == "é".encode()


def test_a_replaced_handler_finishes_its_request_and_gets_no_other(call: Call) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(event: Any, context: Any) -> dict[str, Any]:
        entered.set()
        leave.wait()
        return {"statusCode": 200, "body": "old"}

    app = Gateway(slow)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(call, app, "/")
        entered.wait()
        replaced = threads.submit(app.replace, lambda *_: {"statusCode": 200, "body": "new"})
        app.wait_until_idle(0)
        assert not replaced.done()
        leave.set()
        assert first.result().body == b"old"
        replaced.result()
    assert call(app, "/").body == b"new"
    app.wait_until_idle(PATIENCE_SECONDS)
