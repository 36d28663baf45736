"""Claims about searches with several terms."""

import base64

import pytest

from functions.search.requests import MAX_JSON_IMAGE
from tests.support.fakes import PNG, picture, ref

ID = ref("pets/tom.png").id


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat"), "pets/rex.png": picture("a dog")})


@pytest.fixture
def mix(ask):
    return lambda *terms: ask("POST", "/v1/search", {"query": {"terms": list(terms)}})


def image(words: str) -> str:
    return base64.b64encode(picture(words)).decode()


def test_text_images_and_indexed_images_are_mixed(mix, pets):
    answer = mix({"text": "a dog"}, {"image": image("a dog"), "weight": 0.5}, {"id": ID})
    assert [hit["key"] for hit in answer.json["hits"]] == ["pets/rex.png"]


def test_a_negative_weight_reverses_the_order(mix, pets):
    for weight, first in ((2, "pets/rex.png"), (-2, "pets/tom.png")):
        found = mix({"text": "a dog", "weight": weight}, {"text": "a cat", "weight": 1})
        assert found.json["hits"][0]["key"] == first


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ([], "invalid_query"),
        ([{"text": "a"}] * 17, "invalid_query"),
        ([{}], "invalid_query"),
        ([{"weight": 1}], "invalid_query"),
        ([{"text": "a", "id": "b"}], "invalid_query"),
        (["a dog"], "invalid_query"),
        ([{"terms": [{"text": "a"}]}], "unknown_field"),
        ([{"text": "a", "weight": "1"}], "invalid_query"),
        ([{"text": "a", "weight": True}], "invalid_query"),
        ([{"text": "a", "weight": None}], "invalid_query"),
        ([{"text": "a", "weight": 100.1}], "invalid_query"),
        ([{"text": "a", "weight": -101}], "invalid_query"),
        ([{"text": "a"}, {"text": "a", "weight": -1}], "invalid_terms"),
        ([{"text": ""}], "invalid_text"),
        ([{"text": "a"}, {"text": " "}], "invalid_text"),
        ([{"image": "?"}], "invalid_image"),
    ],
)
def test_invalid_terms_are_rejected(mix, terms, code):
    answer = mix(*terms)
    assert (answer.status, answer.error) == (400, code)
    assert answer.json["error"]["hint"]


@pytest.mark.parametrize("weight", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_invalid_weight_is_rejected(ask, weight):
    body = f'{{"query": {{"terms": [{{"text": "a", "weight": {weight}}}]}}}}'
    assert ask("POST", "/v1/search", body).status == 400


def test_a_term_that_fails_is_named(mix, pets):
    for term, status in (({"id": "nobody"}, 404), ({"image": "bm8="}, 422)):
        answer = mix({"text": "a dog"}, term)
        assert answer.status == status
        assert answer.json["error"]["message"].startswith("terms.1: ")


def test_the_size_of_an_image_term_is_limited(mix):
    data = base64.b64encode(PNG + bytes(MAX_JSON_IMAGE - len(PNG) + 1)).decode()
    assert mix({"text": "a"}, {"image": data}).error == "image_too_large"


def test_terms_cannot_be_combined_with_another_query(ask):
    query = {"text": "a", "terms": [{"text": "b"}]}
    answer = ask("POST", "/v1/search", {"query": query})
    assert answer.json["error"]["message"].endswith("exactly one of text, image, id, url, terms")
