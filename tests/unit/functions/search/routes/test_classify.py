"""Claims about POST /v1/classify: results and errors."""

import base64

import pytest

from tests.support.fakes import picture, ref

PATH = "/v1/classify"
CAT = base64.b64encode(picture("a cat")).decode()
LABELS = ["a dog", "a cat", "a bird"]


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat")}, label="cat")
    fill({"pets/rex.png": picture("a dog")}, label="dog")


def labels(answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert sum(each["score"] for each in answer.json["labels"]) == pytest.approx(1, abs=1e-4)
    return [each["label"] for each in answer.json["labels"]]


def test_a_response_has_the_documented_fields(ask):
    answer = ask("POST", PATH, {"image": CAT, "labels": LABELS, "limit": 1}).json
    assert set(answer) == {"model", "took_ms", "labels", "compared", "evidence", "learned"}
    assert set(answer["took_ms"]) == {"embed", "search", "total"}
    [best] = answer["labels"]
    assert set(best) == {"label", "score", "similarity"}
    assert (best["label"], best["similarity"]) == ("a cat", 1.0)
    assert (answer["compared"], answer["evidence"], answer["learned"]) == (3, [], None)


def test_labels_are_compared_with_an_image_in_json_as_bytes_or_by_id(ask, pets):
    assert labels(ask("POST", PATH, {"image": CAT, "labels": LABELS}))[0] == "a cat"
    answer = ask("POST", PATH, picture("a cat"), "image/png", labels=",".join(LABELS))
    assert labels(answer)[0] == "a cat"
    id = ref("pets/tom.png").id
    assert labels(ask("POST", PATH, {"id": id, "labels": LABELS}))[0] == "a cat"


def test_labelled_images_vote_and_are_returned(ask, pets):
    for answer in (
        ask("POST", PATH, {"image": CAT}),
        ask("POST", PATH, picture("a cat"), "image/png"),
    ):
        assert labels(answer) == ["cat", "dog"]
        assert answer.json["labels"][0]["similarity"] is None
        keys = [hit["key"] for hit in answer.json["evidence"]]
        assert keys == ["pets/tom.png", "pets/rex.png"]
        assert answer.json["evidence"][0]["url"]


def test_the_vote_is_filtered_alike_by_json_and_by_parameters(ask, pets, fill):
    fill({"zoo/lion.png": picture("a lion")}, label="lion")
    wanted = {"neighbours": 1, "source": "collection", "collection": "zoo"}
    assert labels(ask("POST", PATH, {"image": CAT, **wanted})) == ["zoo"]
    given = {name: str(value) for name, value in wanted.items()}
    assert labels(ask("POST", PATH, picture("a cat"), "image/png", **given)) == ["zoo"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, "invalid_query"),
        ({"image": CAT, "id": "x"}, "invalid_query"),
        ({"image": "not base64"}, "invalid_image"),
        ({"image": CAT, "labels": []}, "invalid_labels"),
        ({"image": CAT, "labels": "cat"}, "invalid_labels"),
        ({"image": CAT, "labels": ["cat", ""]}, "invalid_labels"),
        ({"image": CAT, "labels": ["cat", " "]}, "invalid_labels"),
        ({"image": CAT, "labels": ["x" * 201]}, "invalid_labels"),
        ({"image": CAT, "labels": [7]}, "invalid_labels"),
        ({"image": CAT, "labels": [str(n) for n in range(201)]}, "invalid_labels"),
        ({"image": CAT, "limit": 0}, "invalid_limit"),
        ({"image": CAT, "limit": 201}, "invalid_limit"),
        ({"image": CAT, "neighbours": 0}, "invalid_neighbours"),
        ({"image": CAT, "neighbours": 101}, "invalid_neighbours"),
        ({"image": CAT, "source": "owner"}, "invalid_query"),
        ({"image": CAT, "label": "cat"}, "unknown_field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_invalid_body_is_rejected(ask, pets, more, code):
    answer = ask("POST", PATH, more)
    assert (answer.status, answer.error) == (400, code)
    assert answer.json["error"]["hint"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"labels": ""}, "invalid_labels"),
        ({"labels": ","}, "invalid_labels"),
        ({"labels": ",".join(str(n) for n in range(201))}, "invalid_labels"),
        ({"neighbours": "0"}, "invalid_neighbours"),
        ({"limit": "0"}, "invalid_limit"),
        ({"source": "owner"}, "invalid_query"),
        ({"label": "cat"}, "unknown_parameter"),
    ],
)
def test_an_invalid_parameter_with_image_bytes_is_rejected(ask, pets, parameters, code):
    answer = ask("POST", PATH, picture("a cat"), "image/png", **parameters)
    assert (answer.status, answer.error) == (400, code)


def test_parameters_with_json_are_rejected(ask):
    answer = ask("POST", PATH, {"image": CAT}, labels="cat")
    assert (answer.status, answer.error) == (400, "invalid_query")


def test_an_index_without_labels_is_404_with_a_hint(ask):
    answer = ask("POST", PATH, {"image": CAT})
    assert (answer.status, answer.error) == (404, "no_labelled_images")
    assert "x-amz-meta-label" in answer.json["error"]["hint"]


def test_image_errors_are_those_of_a_search(ask, index):
    broken = base64.b64encode(b"no").decode()
    assert ask("POST", PATH, {"image": broken, "labels": ["a"]}).status == 422
    assert ask("POST", PATH, {"id": "nobody", "labels": ["a"]}).status == 404
    assert ask("POST", PATH, "x", "text/plain").status == 415
    index.unavailable = True
    assert ask("POST", PATH, {"image": CAT}).status == 503


def test_labels_are_not_logged(ask, logs):
    ask("POST", PATH, {"image": CAT, "labels": ["secret"]})
    ask("POST", PATH, picture("a cat"), "image/png", labels="secret")
    ask("POST", PATH, {"image": CAT, "labels": ["secret" * 50]})
    assert len(logs.of("request")) == 3
    assert "secret" not in logs


def test_examples_are_used_only_if_they_prove_better_and_the_response_says_so(ask, pets):
    ids = {"a cat": [ref("pets/tom.png").id], "a dog": [ref("pets/rex.png").id]}
    answer = ask("POST", PATH, {"image": CAT, "labels": LABELS, "examples": ids})
    assert labels(answer)[0] == "a cat"
    learned = answer.json["learned"]
    assert (learned["examples"], learned["used"], learned["accuracy_before"]) == (2, False, None)
    assert "at least 10 are needed" in learned["reason"]


def test_labels_of_images_are_examples_in_json_and_in_parameters(ask, pets):
    given = {"labels": ["cat", "dog"], "shots": 4}
    as_bytes = picture("a cat"), "image/png"
    for answer in (
        ask("POST", PATH, {"image": CAT, **given}),
        ask("POST", PATH, *as_bytes, labels="cat,dog", shots="4"),
    ):
        assert labels(answer)
        assert answer.json["learned"]["examples"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"labels": LABELS, "examples": {"a cat": ["unknown"]}}, 404, "not_found"),
        ({"labels": LABELS, "examples": {"a cow": ["unknown"]}}, 400, "invalid_examples"),
        ({"labels": LABELS, "examples": {"a cat": []}}, 400, "invalid_query"),
        ({"labels": LABELS, "examples": {"a cat": ["x"] * 65}}, 400, "invalid_query"),
        ({"labels": LABELS, "examples": {}, "shots": 1}, 400, "invalid_query"),
        ({"labels": LABELS, "shots": 65}, 400, "invalid_query"),
        ({"labels": [f"{n}" for n in range(200)], "shots": 3}, 400, "invalid_examples"),
        ({"shots": 1}, 400, "invalid_query"),
        ({"labelset": "pets", "shots": 1}, 400, "invalid_query"),
    ],
    ids=str,
)
def test_invalid_examples_are_errors(ask, fields, status, code):
    answer = ask("POST", PATH, {"image": CAT, **fields})
    assert (answer.status, answer.error) == (status, code)
