"""Claims: no number and no text in any field of a request is an error of the server."""

import json
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.sqlite.index import SqliteIndex
from tests.support.fakes import FakeDerived, picture, ref

IMAGE = ref("cats/1.png").id
# As JSON: Python's own parser accepts the first three.
NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", "-0", "-0.0", "1e-400", "0.5"),
    *("9" * 400, "-" + "9" * 400, str(2**63), str(-(2**63) - 1), str(2**64), str(2**31), "1e308"),
    *("1E+2", "0x10", "1_000", "٣", "true", "null", "[]", "{}", '"1"', '"NaN"', '""'),
)
TEXTS = (
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "￿",
    "𐀀",
    "%00",
    "%",
    "_",
    "'",
    '"',
    "\\",
    "🦉" * 99,
)
values = st.sampled_from(NUMBERS) | st.sampled_from(TEXTS).map(json.dumps)
BODIES = (
    ("/v1/search", '{"query": {"text": "a cat"}, "limit": @}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "min_relevance": @}'),
    ("/v1/search", '{"query": {"terms": [{"text": "a cat", "weight": @}]}}'),
    ("/v1/search", '{"query": {"terms": [{"id": @}]}}'),
    ("/v1/search", '{"query": {"text": @}}'),
    ("/v1/search", '{"query": {"id": @}}'),
    ("/v1/search", '{"query": {"url": @}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "cursor": @}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "collection": @}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "like": [@]}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "feedback": @}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": @}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"width": @}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"width": {"gte": @, "lt": @}}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"year": @}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"taken_at": {"gte": @}}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"prefix": @}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"metadata.camera": {"in": [@]}}}'),
    ("/v1/search", '{"query": {"text": "a cat"}, "filter": {"not": {"height": {"lte": @}}}}'),
    ("/v1/search/batch", '{"searches": [{"query": {"text": "a cat"}, "limit": @}]}'),
    ("/v1/classify", '{"id": "IMAGE", "labels": [@, "dog"]}'),
    ("/v1/classify", '{"id": "IMAGE", "neighbours": @}'),
    ("/v1/duplicates/check", '{"id": "IMAGE", "threshold": @}'),
    ("/v1/duplicates/check", '{"id": @}'),
    ("/v1/facets", '{"query": {"text": "a cat"}, "min_relevance": @}'),
    ("/v1/feedback", '{"search_id": @, "id": "IMAGE", "relevant": true}'),
    ("/v1/feedback", '{"search_id": "x", "id": @, "relevant": @}'),
    ("/v1/feedback", '{"search_id": "x", "id": "x", "relevant": true, "embedding": [@]}'),
)
PARAMETERS = (
    (
        "/v1/search",
        ("limit", "min_relevance", "cursor", "collection", "filter", "sort", "feedback"),
    ),
    ("/v1/images", ("limit", "cursor", "collection", "prefix", "status", "sort")),
    ("/v1/facets", ("q", "min_relevance", "collection", "filter")),
    ("/v1/collections", ("parent", "depth", "limit", "cursor")),
    ("/v1/duplicates", ("threshold", "collection", "limit", "cursor")),
    ("/v1/labelsets", ("limit", "cursor")),
)
SETTINGS = settings(
    derandomize=True,
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def index(tmp_path):
    with closing(SqliteIndex(tmp_path / "index.db", "images-test", 8)) as index:
        yield index


@pytest.fixture
def derived():
    return FakeDerived()


@pytest.fixture
def filled(fill):
    fill({"cats/1.png": picture("a cat"), "dogs/1.png": picture("a dog")})


def is_handled(answer):
    """`unavailable` would make a client repeat the request."""
    return answer.status < 500, answer.body[:300]


@SETTINGS
@given(st.sampled_from(BODIES), values)
def test_any_value_in_a_body_is_used_or_rejected(ask, filled, request_body, value):
    path, body = request_body
    text = body.replace("@", value).replace("IMAGE", IMAGE)
    handled, answer = is_handled(ask("POST", path, text))
    assert handled, (path, text, answer)


@SETTINGS
@given(st.sampled_from(PARAMETERS), st.data(), st.sampled_from((*NUMBERS, *TEXTS)))
def test_any_value_of_a_parameter_is_used_or_rejected(ask, filled, route, data, value):
    path, names = route
    query = {"q": "a cat"} if path == "/v1/search" else {}
    query[data.draw(st.sampled_from(names))] = value
    handled, answer = is_handled(ask("GET", path, **query))
    assert handled, (path, query, answer)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1e400", "9" * 400])
@pytest.mark.parametrize(("path", "body"), [each for each in BODIES if '"query"' in each[1]][:3])
def test_a_number_that_is_not_finite_is_400(ask, path, body, value):
    assert ask("POST", path, body.replace("@", value)).status == 400
