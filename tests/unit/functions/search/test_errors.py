"""Claims: every error has the same format and names its cause; no request causes a 500."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.search.requests import MAX_JSON_IMAGE, MAX_RAW_IMAGE
from tests.support.fakes import PNG, picture, ref


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "invalid_text"),
        ({"q": ""}, "invalid_text"),
        ({"q": " \t\n"}, "invalid_text"),
        ({"q": "\u3000"}, "invalid_text"),
        ({"q": "x" * 2_001}, "invalid_text"),
        ({"q": ["a", "b"]}, "invalid_text"),
        ({"q": "half \ud800 pair"}, "invalid_text"),
        ({"q": "x", "limit": "0"}, "invalid_limit"),
        ({"q": "x", "limit": "101"}, "invalid_limit"),
        ({"q": "x", "limit": "-1"}, "invalid_limit"),
        ({"q": "x", "limit": "ten"}, "invalid_limit"),
        ({"q": "x", "limit": "1.5"}, "invalid_limit"),
        ({"q": "x", "limit": ""}, "invalid_limit"),
        ({"q": "x", "limit": "9" * 5_000}, "invalid_limit"),
        ({"q": "x", "limit": ["1", "2"]}, "invalid_limit"),
        ({"q": "x", "min_relevance": "-0.1"}, "invalid_min_relevance"),
        ({"q": "x", "min_relevance": "1.1"}, "invalid_min_relevance"),
        ({"q": "x", "min_relevance": "much"}, "invalid_min_relevance"),
        ({"q": "x", "min_relevance": "nan"}, "invalid_min_relevance"),
        ({"q": "x", "min_relevance": ""}, "invalid_min_relevance"),
        ({"q": "x", "cursor": "made-up"}, "invalid_cursor"),
        ({"q": "x", "cursor": "x" * 10_000}, "invalid_cursor"),
        ({"q": "x", "cursor": "half \ud800 pair"}, "invalid_cursor"),
        ({"q": "x", "collection": "half \ud800 pair"}, "invalid_query"),
        ({"q": "x", "collection": "x" * 2_000}, "invalid_query"),
        ({"q": "x", "colection": "pets"}, "unknown_parameter"),
        ({"q": "x", "": ""}, "unknown_parameter"),
    ],
)
def test_an_invalid_query_string_is_rejected(ask, query, code):
    answer = ask("GET", "/v1/search", **query)
    assert (answer.status, answer.error) == (400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("not JSON", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"query": {"text": "half \\ud800"}}', "invalid_json"),
        ({"query": {"text": "a"}, "collection": "half \ud800"}, "invalid_json"),
        ({"query": {"text": "a"}, "cursor": "half \ud800"}, "invalid_json"),
        ({"query": {"id": "half \ud800"}}, "invalid_json"),
        ({"query": {"text": "a", "half \ud800": 1}}, "invalid_json"),
        ('{"query": {"text": "half \ud800"}}', "invalid_json"),
        (b'{"query": {"text": "\xff"}}', "invalid_json"),
        ('{"limit": ' + "1" * 5_000 + "}", "invalid_json"),
        ("null", "invalid_query"),
        ("[]", "invalid_query"),
        ({}, "invalid_query"),
        ({"query": None}, "invalid_query"),
        ({"query": "a dog"}, "invalid_query"),
        ({"query": {}}, "invalid_query"),
        ({"query": {"text": None}}, "invalid_query"),
        ({"query": {"text": "a", "id": "b"}}, "invalid_query"),
        ({"query": {"text": ""}}, "invalid_text"),
        ({"query": {"text": "  "}}, "invalid_text"),
        ({"query": {"text": "x" * 2_001}}, "invalid_text"),
        ({"query": {"text": 7}}, "invalid_text"),
        ({"query": {"image": "not base64"}}, "invalid_image"),
        ({"query": {"image": "data:image/png;base64,AAAA"}}, "invalid_image"),
        ({"query": {"image": 7}}, "invalid_image"),
        ({"query": {"text": "a"}, "limit": 0}, "invalid_limit"),
        ({"query": {"text": "a"}, "limit": 101}, "invalid_limit"),
        ({"query": {"text": "a"}, "limit": "10"}, "invalid_limit"),
        ({"query": {"text": "a"}, "limit": True}, "invalid_limit"),
        ({"query": {"text": "a"}, "min_relevance": 1.1}, "invalid_min_relevance"),
        ({"query": {"text": "a"}, "min_relevance": -1}, "invalid_min_relevance"),
        ({"query": {"text": "a"}, "min_relevance": "0.5"}, "invalid_min_relevance"),
        ({"query": {"text": "a"}, "min_relevance": True}, "invalid_min_relevance"),
        ('{"query": {"text": "a"}, "min_relevance": NaN}', "invalid_min_relevance"),
        ({"query": {"text": "a"}, "cursor": "made-up"}, "invalid_cursor"),
        ({"query": {"text": "a"}, "cursor": 7}, "invalid_cursor"),
        ({"query": {"text": "a"}, "colection": "pets"}, "unknown_field"),
        ({"query": {"text": "a", "weight": 1}}, "unknown_field"),
    ],
    ids=lambda value: str(value)[:50].encode("ascii", "replace").decode(),
)
def test_an_invalid_body_is_rejected(ask, body, code):
    answer = ask("POST", "/v1/search", body)
    assert (answer.status, answer.error) == (400, code)


def test_an_unknown_field_is_named(ask):
    answer = ask("POST", "/v1/search", {"query": {"text": "a", "weight": 1}})
    assert "'query.weight'" in answer.json["error"]["message"]


def test_parameters_with_json_are_rejected_and_not_ignored(ask):
    answer = ask("POST", "/v1/search", {"query": {"text": "a"}}, limit="5")
    assert (answer.status, answer.error) == (400, "invalid_query")


@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "multipart/mixed", "image", ";"]
)
def test_a_body_of_another_type_is_415(ask, type):
    answer = ask("POST", "/v1/search", "q=a dog", type)
    assert answer.status == (400 if type == ";" else 415)


def test_an_image_that_cannot_be_decoded_is_422(ask):
    for answer in (
        ask("POST", "/v1/search", b"not an image", "image/jpeg"),
        ask("POST", "/v1/search", "text where bytes should be", "image/jpeg"),
        ask("POST", "/v1/search", {"query": {"image": base64.b64encode(b"no").decode()}}),
    ):
        assert (answer.status, answer.error) == (422, "unreadable_image")


def test_an_empty_image_is_400(ask):
    assert ask("POST", "/v1/search", b"", "image/jpeg").status == 400


def test_the_size_of_an_image_is_limited(ask):
    raw = PNG + bytes(MAX_RAW_IMAGE - len(PNG))
    assert ask("POST", "/v1/search", raw, "image/png").status == 200
    answer = ask("POST", "/v1/search", raw + b"\0", "image/png")
    assert (answer.status, answer.error) == (413, "image_too_large")


def test_the_size_of_an_image_in_json_is_limited(ask):
    def search(data: bytes):
        image = base64.b64encode(data).decode()
        return ask("POST", "/v1/search", {"query": {"image": image}})

    data = PNG + bytes(MAX_JSON_IMAGE - len(PNG))
    assert search(data).status == 200
    assert search(data + b"\0").status == 413
    assert search(data + bytes(500_000)).status == 413


@pytest.mark.parametrize("path", ["/v1/images/nobody", "/v1/images/nobody/similar"])
def test_a_missing_image_is_404(ask, path):
    assert (ask("GET", path).status, ask("GET", path).error) == (404, "not_found")


def test_a_search_by_a_missing_image_is_404(ask):
    assert ask("POST", "/v1/search", {"query": {"id": "nobody"}}).status == 404


def test_an_unavailable_index_is_503_with_retry_after(ask, index):
    index.unavailable = True
    for path, query in (
        ("/v1/search", {"q": "a"}),
        ("/v1/images", {}),
        ("/v1/images/x", {}),
        ("/v1/health", {}),
    ):
        answer = ask("GET", path, **query)
        assert (answer.status, answer.error) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_a_decoder_that_cannot_start_is_503(ask, images):
    images.unavailable = True
    assert ask("POST", "/v1/search", picture("a cat"), "image/png").status == 503


def test_a_bug_is_a_500_with_only_the_request_id(ask, index, logs):
    index.entries[ref("a.png").id] = "no entry at all"
    answer = ask("GET", f"/v1/images/{ref('a.png').id}")
    assert (answer.status, answer.error) == (500, "internal_error")
    assert "request-1" in answer.json["error"]["hint"]
    assert "Traceback" not in answer.body
    [line] = logs.of("unexpected error")
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v2/search", "/v1/images/a/b", "/nothing", "/../etc", "/é"]
)
def test_an_unknown_path_is_404(ask, path):
    answer = ask("GET", path)
    assert (answer.status, answer.error) == (404, "unknown_route")


@pytest.mark.parametrize("id", ["%00", "a%0Ab", "%E2%82%AC", "a\x00", "€", "a\nb"])
def test_an_id_of_invalid_characters_is_not_found(ask, id):
    for path in (f"/v1/images/{id}", f"/v1/images/{id}/similar"):
        assert ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/search", "GET, POST"),
        ("PUT", "/v1/images", "GET, POST"),
        ("OPTIONS", "/v1/images/x", "DELETE, GET"),
        ("POST", "/v1/images/x/similar", "GET"),
        ("POST", "/", "GET"),
        ("PATCH", "/openapi.json", "GET"),
        ("GET", "/v1/search/batch", "POST"),
    ],
)
def test_an_unsupported_method_is_405(ask, method, path, allow):
    answer = ask(method, path)
    assert (answer.status, answer.error) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allow


ADDRESSES = ["/v1/search", "/v1/search/batch", "/v1/images", "/v1/images/x", "/v1/health"]
ADDRESSES += ["/v1/images/x/similar"]
TYPES = ["application/json", "image/png", "application/octet-stream"]
NAMES = ["q", "limit", "cursor", "collection", "status", "sort", "prefix"]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    path=st.sampled_from(ADDRESSES) | st.text().map(lambda text: f"/{text}"),
    body=st.text() | st.binary(),
    type=st.sampled_from(TYPES) | st.text(),
    query=st.dictionaries(
        st.sampled_from(NAMES) | st.uuids().map(str), st.text() | st.lists(st.text(), min_size=1)
    ),
)
def test_no_request_causes_a_500(ask, method, path, body, type, query):
    assert ask(method, path, body, type, **query).status < 500
