"""Claims: each search of a batch has the result of a single search, independent of the others."""

import base64

import pytest

from functions.search.requests import MAX_JSON
from imagesearch.domain.errors import PayloadTooLarge
from tests.support.fakes import FakeTexts, picture, ref


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat"), "pets/rex.png": picture("a dog")})


@pytest.fixture
def batch(ask):
    return lambda *searches: ask("POST", "/v1/search/batch", {"searches": list(searches)})


def by_text(words: str, **more):
    return {"query": {"text": words}, **more}


def alone(answer: dict):
    """The part of a response that is equal in repeated requests."""
    return [(hit["id"], hit["score"]) for hit in answer["hits"]], answer["cursor"]


def test_each_search_of_a_batch_has_the_result_of_a_single_search(ask, batch, pets):
    image = base64.b64encode(picture("a cat")).decode()
    searches = [
        by_text("a dog", limit=1),
        {"query": {"image": image}},
        {"query": {"id": ref("pets/tom.png").id}},
        {"query": {"terms": [{"text": "a dog"}, {"text": "a cat", "weight": -1}]}},
        by_text("a dog", collection="nothing"),
    ]
    answer = batch(*searches)
    assert answer.status == 200
    assert set(answer.json) == {"results"}
    assert [alone(one) for one in answer.json["results"]] == [
        alone(ask("POST", "/v1/search", search).json) for search in searches
    ]


def test_each_search_of_a_batch_continues_by_its_own_cursor(batch, pets):
    first = batch(by_text("a dog", limit=1), by_text("a cat", limit=1)).json["results"]
    cursors = [one["cursor"] for one in first]
    second = batch(
        by_text("a dog", limit=1, cursor=cursors[0]), by_text("a cat", limit=1, cursor=cursors[1])
    ).json["results"]
    assert [one["hits"][0]["key"] for one in second] == ["pets/tom.png", "pets/rex.png"]


def test_a_batch_costs_one_embedding_batch_and_one_round_trip(batch, pets, index, texts):
    assert batch(*[by_text(f"picture {n}") for n in range(32)]).status == 200
    assert [len(texts) for texts in texts.batches] == [32]
    assert [len(queries) for queries in index.requested] == [32]


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        ({"query": {"id": "nobody"}}, "not_found"),
        ({"query": {"image": "bm8="}}, "unreadable_image"),
        (by_text(" "), "invalid_text"),
        (by_text("nothing at all"), "invalid_text"),
        (by_text("a", cursor="made-up"), "invalid_cursor"),
        ({"query": {"terms": [{"text": "a", "weight": 0}]}}, "invalid_terms"),
    ],
)
def test_a_failed_search_of_a_batch_has_its_error_in_its_position(batch, pets, failing, code):
    answer = batch(by_text("a dog"), failing, by_text("a cat"))
    first, failed, last = answer.json["results"]
    assert answer.status == 200
    assert set(failed) == {"error"}
    assert failed["error"]["code"] == code
    assert failed["error"]["hint"]
    assert (first["hits"][0]["key"], last["hits"][0]["key"]) == ("pets/rex.png", "pets/tom.png")


@pytest.mark.parametrize(
    ("wrong", "place", "code"),
    [
        (by_text("a", limit=0), "searches.1.limit", "invalid_limit"),
        (by_text(""), "searches.1.query.text", "invalid_text"),
        ({"query": {"text": "a", "id": "b"}}, "searches.1.query", "invalid_query"),
        (by_text("a", filter={"width": "x"}), "searches.1.filter.width", "invalid_filter"),
        (by_text("a", filter={"color": "x"}), "searches.1.filter", "unknown_field"),
        (by_text("a", color="x"), "unknown field 'searches.1.color'", "unknown_field"),
        ("a dog", "searches.1", "invalid_query"),
    ],
)
def test_an_invalid_search_of_a_batch_is_named(batch, wrong, place, code):
    answer = batch(by_text("a dog"), wrong)
    assert (answer.status, answer.error) == (400, code)
    assert answer.json["error"]["message"].startswith(place)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_query"),
        ({"searches": []}, "invalid_query"),
        ({"searches": [by_text("a")] * 33}, "invalid_query"),
        ({"searches": by_text("a")}, "invalid_query"),
        ({"searches": [by_text("a")], "limit": 1}, "unknown_field"),
        ("{", "invalid_json"),
        ("", "invalid_json"),
    ],
)
def test_an_invalid_batch_is_rejected(ask, body, code):
    answer = ask("POST", "/v1/search/batch", body)
    assert (answer.status, answer.error) == (400, code)


def test_the_number_of_images_of_a_batch_is_limited(batch):
    image = {"image": base64.b64encode(picture("a cat")).decode()}
    mixed = {"query": {"terms": [image] * 16}}
    assert batch(mixed, mixed).status == 200
    answer = batch(mixed, mixed, {"query": image})
    assert answer.status == 400
    assert "at most 32 images" in answer.json["error"]["message"]


def test_the_number_of_texts_that_a_batch_contains_is_limited(batch, pets):
    def searches(number):
        texts = [f"text {place}" for place in range(number)]
        return by_text("a", filter={"or": [{"metadata.title": {"contains": texts}}]}), by_text("b")

    assert batch(*searches(50), *searches(50)).status == 200
    answer = batch(*searches(50), *searches(51))
    assert (answer.status, answer.error) == (400, "invalid_query")
    assert "at most 100 texts of 'contains' in total, not 101" in answer.json["error"]["message"]


def test_a_body_over_the_size_limit_is_413(batch):
    answer = batch(*[{"query": {"id": "x" * (MAX_JSON // 32)}}] * 32)
    assert (answer.status, answer.json["error"]["hint"] != "") == (413, True)


@pytest.mark.parametrize("type", ["image/png", "text/plain"])
def test_a_batch_must_be_json(ask, type):
    answer = ask("POST", "/v1/search/batch", picture("a cat"), type)
    assert (answer.status, answer.error) == (415, "unsupported_media_type")


def test_an_unavailable_index_is_503_for_the_batch(batch, index):
    index.unavailable = True
    assert batch(by_text("a"), {"query": {"id": "x"}}).status == 503


def test_a_batch_is_logged_in_one_line(batch, pets, logs):
    batch(by_text("secret dog"), {"query": {"id": "secret"}})
    [line] = logs.of("request")
    assert (line["route"], line["searches"], line["hits"]) == ("/v1/search/batch", 2, 2)
    assert "secret" not in logs


def test_too_many_tokens_in_all_texts_are_an_error_of_the_request(batch, pets, monkeypatch):
    encode = FakeTexts.encode_texts

    def encode_one(self, texts):
        if len(texts) > 1:
            raise PayloadTooLarge("too many tokens", "send fewer texts", "texts_too_large")
        return encode(self, texts)

    monkeypatch.setattr(FakeTexts, "encode_texts", encode_one)
    answer = batch(by_text("a dog"), by_text("a cat"))
    assert (answer.status, answer.json["error"]["code"]) == (413, "texts_too_large")
    assert batch(by_text("a dog"), by_text("a dog")).status == 200
