"""Claims about the log line and the metrics of a request."""

import pytest

from tests.support.fakes import picture


def test_a_search_is_logged_in_one_line(ask, fill, logs):
    fill({"a.png": picture("a cat")})
    ask("GET", "/v1/search", q="a cat")
    [line] = logs.of("request")
    assert (line["route"], line["status"], line["hits"]) == ("/v1/search", 200, 1)
    assert "search" not in line
    assert line["request_id"] == "request-1"
    assert line["ms"] >= line["embed_ms"] + line["search_ms"]


@pytest.mark.parametrize(
    ("path", "query", "route", "code"),
    [
        ("/v1/search", {"limit": "0"}, "/v1/search", "invalid_text"),
        ("/v1/images/nobody", {}, "/v1/images/<id>", "not_found"),
    ],
)
def test_an_error_is_logged_by_route_and_code(ask, logs, path, query, route, code):
    ask("GET", path, **query)
    [line] = logs.of("request")
    assert (line["route"], line["code"]) == (route, code)


def test_log_fields_of_one_request_are_not_in_the_next(ask, logs):
    ask("GET", "/v1/search", q="a cat")
    ask("GET", "/v1/health")
    assert "search" not in logs.of("request")[1]


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("GET", "/v1/search", None, {"q": "secret words"}),
        ("GET", "/v1/search", None, {"q": "x", "secret": "words"}),
        ("GET", "/v1/search", None, {"q": "secret " * 300}),
        ("GET", "/v1/search", None, {"q": "x", "collection": "secret"}),
        ("POST", "/v1/search", {"query": {"text": "secret"}, "limit": 0}, {}),
        ("POST", "/v1/search", '{"secret', {}),
        ("POST", "/v1/search", {"query": {"text": "a"}, "filter": {"prefix": "secret"}}, {}),
        ("POST", "/v1/search", {"query": {"text": "a"}, "filter": {"secret": 1}}, {}),
        ("POST", "/v1/search", {"query": {"terms": [{"id": "secret"}]}}, {}),
        ("GET", "/v1/images/secret", None, {}),
        ("GET", "/secret", None, {}),
    ],
)
def test_user_input_is_not_logged(ask, logs, method, path, body, query):
    ask(method, path, body, **query)
    assert logs.of("request")
    assert "secret" not in logs


def test_requests_are_counted_by_route(ask, emitted):
    ask("GET", "/v1/search", q="a cat")
    ask("GET", "/v1/search", q="")
    ask("GET", "/nothing")
    found, failed, lost = emitted()
    assert found["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "imagesearch"
    assert (found["route"], found["Requests"]) == ("/v1/search", [1.0])
    assert found["Latency"][0] > 0
    assert (failed["route"], lost["route"]) == ("/v1/search", "none")
