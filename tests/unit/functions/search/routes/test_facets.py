"""Facets and collections over HTTP, filters as parameters, and hits in order of time."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from imagesearch.domain.images import Document, Status
from imagesearch.domain.ports import Put
from tests.support.fakes import ref, vector

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def stored(index):
    """Images of a cat, the older the less similar, one without a time, and one of a dog."""

    def put(key, text, noise, taken_at=None, **more):
        embedding = vector(text) + noise * vector("noise")
        document = Document(
            *(ref(key), Status.INDEXED, "e", NOW, 1, NOW, "fake", "decoder"),
            taken_at=taken_at,
            **{"width": 3000, "height": 2000, "content_type": "image/jpeg"} | more,
        )
        return Put(document, np.asarray(embedding / np.linalg.norm(embedding), np.float32), None)

    camera = {"camera": "Canon EOS"}
    index.write(
        [
            put("cats/kittens/1", "a cat", 0, datetime(2024, 7, 1, tzinfo=UTC), metadata=camera),
            put("cats/2", "a cat", 0.1, datetime(2024, 6, 1, tzinfo=UTC), metadata=camera),
            put("cats/3", "a cat", 0.2, datetime(2025, 6, 1), width=100, height=200),
            put("cats/4", "a cat", 0.3),
            put("dogs/5", "a dog", 0),
        ]
    )


def test_every_value_of_a_facet_is_a_filter(ask, stored):
    answer = ask("GET", "/v1/facets").json
    assert (answer["images"], answer["complete"]) == (5, True)
    assert answer["facets"]["month"] == {
        "field": "taken_at",
        "values": [{"value": month, "count": 1} for month in ("2025-06", "2024-07", "2024-06")],
        "others": 0,
        "missing": 2,
    }
    checked = 0
    for facet in answer["facets"].values():
        for each in facet["values"]:
            chosen = json.dumps({facet["field"]: each["value"]})
            listed = ask("GET", "/v1/images", filter=chosen).json["images"]
            assert len(listed) == each["count"], chosen
            assert ask("GET", "/v1/facets", filter=chosen).json["images"] == each["count"]
            checked += 1
    assert checked >= 10


def test_facets_of_a_search_count_its_relevant_hits(ask, stored):
    asked = {"q": "a cat", "min_relevance": "0.5"}
    answer = ask("GET", "/v1/facets", **asked).json
    hits = ask("GET", "/v1/search", **asked).json["hits"]
    assert answer["images"] == len(hits) == 4
    assert answer["facets"]["collection"]["values"] == [{"value": "cats", "count": 4}]
    body = {"query": {"text": "a cat"}, "min_relevance": 0.5, "filter": {"taken_at": "2024"}}
    posted = ask("POST", "/v1/facets", {**body, "collection": "cats"}).json
    assert posted["facets"]["year"]["values"] == [{"value": "2024", "count": 2}]
    assert posted["facets"]["collection"]["values"] == [{"value": "cats/kittens", "count": 1}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"min_relevance": "0.5"}, "invalid_query"),
        ({"q": "a cat", "prefix": "cats/"}, "invalid_query"),
        ({"filter": "{"}, "invalid_filter"),
        ({"filter": "[" * 5000}, "invalid_filter"),
        ({"filter": "[]"}, "invalid_filter"),
        ({"filter": '{"orientation": "portait"}'}, "invalid_filter"),
        ({"filter": '{"metadata.camera": {"contains": ""}}'}, "invalid_filter"),
        ({"filter": '{"color": "red"}'}, "unknown_field"),
        ({"sort": "key"}, "unknown_parameter"),
    ],
    ids=str,
)
def test_an_invalid_request_for_facets_is_400(ask, query, code):
    answer = ask("GET", "/v1/facets", **query)
    assert (answer.status, answer.error) == (400, code)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("sort", ["taken_at", "-taken_at"])
def test_relevant_hits_in_order_of_time_are_returned_once(ask, stored, sort, limit):
    keys, cursor = [], None
    body = {"query": {"text": "a cat"}, "min_relevance": 0.5, "sort": sort, "limit": limit}
    while not keys or cursor:
        answer = ask("POST", "/v1/search", {**body, "cursor": cursor}).json
        keys += [hit["key"] for hit in answer["hits"]]
        cursor = answer["cursor"]
    dated = ["cats/2", "cats/kittens/1", "cats/3"]
    assert keys == [*(dated if sort == "taken_at" else reversed(dated)), "cats/4"]


def test_an_order_by_time_requires_min_relevance(ask, stored):
    assert ask("GET", "/v1/search", q="a cat", sort="-taken_at").error == "invalid_query"
    assert ask("GET", "/v1/search", q="a cat", sort="size").error == "invalid_query"


def test_a_cursor_of_another_order_is_rejected(ask, stored):
    asked = {"q": "a cat", "min_relevance": "0.5", "limit": "1"}
    cursor = ask("GET", "/v1/search", sort="-taken_at", **asked).json["cursor"]
    for sort in ("taken_at", "relevance"):
        answer = ask("GET", "/v1/search", sort=sort, cursor=cursor, **asked)
        assert answer.error == "invalid_cursor"


def test_collections_are_a_tree_in_pages(ask, stored):
    first = ask("GET", "/v1/collections", depth="2", limit="2").json
    assert first["collections"] == [
        {"collection": "cats", "images": 4, "nested": True},
        {"collection": "cats/kittens", "images": 1, "nested": False},
    ]
    second = ask("GET", "/v1/collections", depth="2", limit="2", cursor=first["cursor"]).json
    assert [each["collection"] for each in second["collections"]] == ["dogs"]
    assert second["cursor"] is None
    assert ask("GET", "/v1/collections", cursor=first["cursor"]).error == "invalid_cursor"
    below = ask("GET", "/v1/collections", parent="cats").json["collections"]
    assert [each["collection"] for each in below] == ["cats/kittens"]


def test_a_part_of_a_metadata_value_is_found_without_case(ask, stored):
    def found(condition):
        body = {"query": {"text": "a cat"}, "filter": {"metadata.camera": condition}}
        return sorted(hit["key"] for hit in ask("POST", "/v1/search", body).json["hits"])

    both = ["cats/2", "cats/kittens/1"]
    assert found({"contains": "cANON"}) == found({"contains": ["nikon", "eos"]}) == both
    assert found({"contains": "nikon"}) == []


def test_a_large_filter_is_rejected_before_it_is_built(ask):
    for filter in (
        {"and": [{}] * 10_000},
        {"and": [{"or": [{}] * 100}] * 100},
        {f"metadata.name{number}": "x" for number in range(17)},
        {"or": [{"metadata.name": "x"}] * 17},
    ):
        answer = ask("POST", "/v1/search", {"query": {"text": "a"}, "filter": filter})
        assert (answer.status, answer.error) == (400, "invalid_filter")
    body = {"query": {"text": "a"}, "filter": {"and": [{}] * 100_000}}
    assert ask("POST", "/v1/search", body).error == "invalid_json"
