"""Claims about /v1/labelsets, and about classification with a label set."""

import base64

import pytest

from functions.search.routes.label_sets import MAX_WRITTEN
from tests.support.fakes import picture

PETS = "/v1/labelsets/pets"
CAT = base64.b64encode(picture("a cat")).decode()


@pytest.fixture
def pets(ask):
    answer = ask("PUT", PETS, {"labels": ["a dog", "a cat", " a cat "]})
    assert (answer.status, answer.json) == (
        200,
        {"name": "pets", "written": 2, "learned": None},
    )


def test_sets_are_listed_read_added_to_replaced_and_deleted(ask, pets):
    assert ask("GET", "/v1/labelsets").json == {"labelsets": [{"name": "pets", "count": 2}]}
    assert ask("POST", f"{PETS}/labels", {"labels": ["a fish"]}).json["written"] == 1
    page = ask("GET", PETS, limit="2").json
    assert (page["count"], page["labels"]) == (3, ["a cat", "a dog"])
    assert ask("GET", PETS, limit="2", cursor=page["cursor"]).json["labels"] == ["a fish"]
    ask("PUT", PETS, {"labels": ["a bird"]})
    assert ask("GET", PETS).json["labels"] == ["a bird"]
    assert ask("DELETE", PETS).json == {"name": "pets", "deleted": True}
    assert ask("GET", "/v1/labelsets").json == {"labelsets": []}


def test_an_image_is_classified_among_a_set(ask, pets):
    in_json = ask("POST", "/v1/classify", {"image": CAT, "labelset": "pets"})
    in_bytes = ask("POST", "/v1/classify", picture("a cat"), "image/png", labelset="pets")
    for answer in (in_json, in_bytes):
        assert answer.status == 200
        assert [each["label"] for each in answer.json["labels"]] == ["a cat", "a dog"]
        assert sum(each["score"] for each in answer.json["labels"]) == pytest.approx(1, abs=1e-4)
        assert answer.json["labels"][0]["similarity"] == pytest.approx(1, abs=1e-4)
        assert answer.json["compared"] == 2


def test_a_set_has_the_same_scores_as_its_labels_in_the_request(ask, pets):
    stored = ask("POST", "/v1/classify", {"image": CAT, "labelset": "pets"}).json["labels"]
    given = ask("POST", "/v1/classify", {"image": CAT, "labels": ["a dog", "a cat"]}).json["labels"]
    for ours, theirs in zip(stored, given, strict=True):
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-4)


def test_a_missing_set_is_404(ask):
    for request in (
        ("GET", PETS),
        ("DELETE", PETS),
        ("POST", f"{PETS}/labels", {"labels": ["a"]}),
        ("POST", "/v1/classify", {"image": CAT, "labelset": "pets"}),
    ):
        answer = ask(*request)
        assert (answer.status, answer.error) == (404, "not_found")
        assert "PUT /v1/labelsets" in answer.json["error"]["hint"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_labels"),
        ({"labels": []}, "invalid_labels"),
        ({"labels": [""]}, "invalid_labels"),
        ({"labels": [" "]}, "invalid_labels"),
        ({"labels": ["x" * 201]}, "invalid_labels"),
        ({"labels": [str(n) for n in range(MAX_WRITTEN + 1)]}, "invalid_labels"),
        ({"labels": ["a"], "label": "b"}, "unknown_field"),
        ("{", "invalid_json"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_invalid_labels_are_rejected(ask, pets, body, code):
    for method, path in (("PUT", PETS), ("POST", f"{PETS}/labels")):
        answer = ask(method, path, body)
        assert (answer.status, answer.error) == (400, code)
    assert ask("GET", PETS).json["count"] == 2


def test_labels_are_accepted_up_to_the_limit(ask):
    labels = [str(number) for number in range(MAX_WRITTEN)]
    assert ask("PUT", PETS, {"labels": labels}).json["written"] == MAX_WRITTEN


def test_an_invalid_name_is_400(ask):
    for request in (
        ("PUT", "/v1/labelsets/Pets", {"labels": ["a"]}),
        ("GET", "/v1/labelsets/Pets"),
        ("DELETE", "/v1/labelsets/Pets"),
        ("POST", "/v1/classify", {"image": CAT, "labelset": "Pets"}),
    ):
        answer = ask(*request)
        assert (answer.status, answer.error) == (400, "invalid_name")


def test_labels_and_a_set_exclude_each_other(ask, pets):
    both = {"labels": ["a"], "labelset": "pets"}
    answer = ask("POST", "/v1/classify", {"image": CAT, **both})
    assert (answer.status, answer.error) == (400, "invalid_query")
    raw = ask("POST", "/v1/classify", picture("a cat"), "image/png", labels="a", labelset="pets")
    assert (raw.status, raw.error) == (400, "invalid_query")


def test_labels_that_are_not_json_are_415(ask):
    assert ask("PUT", PETS, "a,b", "text/plain").status == 415
    assert ask("PUT", PETS, picture("a"), "image/png").status == 415


def test_neither_names_nor_labels_are_logged(ask, logs):
    ask("PUT", "/v1/labelsets/secret", {"labels": ["secret words"]})
    ask("GET", "/v1/labelsets/secret")
    assert len(logs.of("request")) == 2
    assert "secret" not in logs
