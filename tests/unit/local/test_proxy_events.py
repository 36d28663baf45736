"""Requests turn into API Gateway's events and its answers into HTTP, nothing lost."""

import base64

import pytest

from local.web.gateway import HttpRequest, http_answer, proxy_event


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
def test_image_bytes_travel_in_base64(content_type: str) -> None:
    data = bytes(range(256))
    headers = {"content-type": content_type}
    event = proxy_event(HttpRequest("POST", "/v1/search", headers=headers, body=data))
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == data
    assert event["multiValueHeaders"] == {"content-type": [content_type]}


def test_json_travels_as_text() -> None:
    headers = {"content-type": "application/json"}
    event = proxy_event(
        HttpRequest("POST", "/v1/search", headers=headers, body='{"ü": 1}'.encode())
    )
    assert (event["body"], event["isBase64Encoded"]) == ('{"ü": 1}', False)


def test_bytes_that_claim_to_be_text_are_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        proxy_event(HttpRequest("POST", "/v1/search", body=b"\xff\xd8\xff"))


def test_an_answer_in_base64_turns_into_its_bytes() -> None:
    answer = http_answer(
        {"statusCode": 200, "body": base64.b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}
    )
    assert (answer.status, answer.body) == (200, b"\xff\x00")


def test_an_answer_keeps_several_values_of_a_header_and_no_length_of_its_own() -> None:
    answer = http_answer(
        {
            "statusCode": 201,
            "headers": {"Set-Cookie": "lost", "X-One": 1, "Content-Length": "999"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": "é",
        }
    )
    assert answer.headers == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-One", "1")]
    assert answer.body == "é".encode()
