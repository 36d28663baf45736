"""The gateway calls the handler for a request and sends what it answers."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from local.web.gateway import Gateway
from tests.support.waiting import PATIENCE_SECONDS

Call = Callable[..., Any]


def echo(event: dict[str, Any], _: Any) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"X-Made": "yes"}, "body": json.dumps(event)}


def test_a_request_reaches_the_handler_and_its_answer_the_client(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/images/ä?limit=3&q=a+b", HTTP_X_API_KEY="k")
    event = json.loads(answer.body)
    assert answer.status == "200 OK"
    assert answer.headers["X-Made"] == "yes"
    assert event["path"] == "/v1/images/ä"
    assert event["queryStringParameters"] == {"limit": "3", "q": "a b"}
    assert event["headers"]["x-api-key"] == "k"
    assert event["headers"]["host"] == "localhost:8000"


def test_a_head_request_gets_no_body(call: Call) -> None:
    answer = call(Gateway(echo), "/", "HEAD")
    assert (answer.status, answer.body) == ("200 OK", b"")


def test_a_handler_that_breaks_is_a_502_without_its_stack(call: Call) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("secret")

    answer = call(Gateway(broken), "/v1/health")
    assert answer.status == "502 Bad Gateway"
    assert json.loads(answer.body)["error"]["code"] == "internal_error"
    assert b"secret" not in answer.body


def test_image_bytes_without_their_type_are_a_400_that_says_so(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/search", "POST", b"\xff\xd8\xff")
    assert answer.status == "400 Bad Request"
    assert "content-type" in json.loads(answer.body)["error"]["hint"]


def test_a_query_of_very_many_fields_is_a_400(call: Call) -> None:
    answer = call(Gateway(echo), "/v1/search?" + "a=1&" * 5_000)
    assert answer.status == "400 Bad Request"


def test_the_handler_gets_one_request_at_a_time_as_in_lambda(call: Call) -> None:
    inside: list[int] = []
    overlaps: list[int] = []
    everybody = threading.Barrier(4)

    def handler(*_: Any) -> dict[str, Any]:
        inside.append(1)
        overlaps.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return {"statusCode": 200, "body": ""}

    app = Gateway(handler)

    def ask() -> None:
        everybody.wait(PATIENCE_SECONDS)
        call(app, "/v1/health")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert overlaps == [1, 1, 1, 1]
