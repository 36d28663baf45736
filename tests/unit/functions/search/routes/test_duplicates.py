"""Claims: duplicates are listed in groups, and a check finds an image that is already indexed."""

import base64
from dataclasses import replace

import pytest

from imagesearch.domain.ports import Touch
from imagesearch.duplicates.linker import Linker
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.indexing.indexer import Indexer
from tests.support.fakes import FakeDerived, picture, ref

CAT, DOG = picture("a cat"), picture("a dog")


@pytest.fixture
def indexer(store, index, images, derived):
    linker = Linker(index, DuplicateWeights().weights)
    return Indexer(store, index, images, derived=derived, linker=linker)


@pytest.fixture
def edited(index):
    """Replaces the hash of an indexed image, as for an edited copy."""

    def edited(key):
        stored = index.get([ref(key).id])[ref(key).id]
        other = replace(stored.document, sha256="0" * 64)
        index.write([Touch(other, stored.version)])

    return edited


def check(ask, **body):
    return ask("POST", "/v1/duplicates/check", body)


def keys(group):
    return [image["key"] for image in group["images"]]


def matched(answer):
    return [(match["kind"], match["image"]["key"]) for match in answer.json["matches"]]


def test_an_index_without_duplicates_has_no_groups(ask, fill):
    fill({"a.png": CAT, "b.png": DOG})
    answer = ask("GET", "/v1/duplicates")
    assert (answer.status, answer.json) == (200, {"groups": [], "cursor": None})


def test_a_group_has_kind_size_and_likely_original(ask, fill):
    fill({"a.png": CAT, "b.png": DOG})
    fill({"copy.png": CAT})
    [group] = ask("GET", "/v1/duplicates").json["groups"]
    assert (group["kind"], group["size"]) == ("exact", 2)
    assert keys(group) == ["a.png", "copy.png"]
    assert group["original"] == group["images"][0]["id"] == ref("a.png").id
    assert group["images"][0]["url"].startswith("https://")


def test_an_edited_copy_is_a_near_duplicate(ask, fill, edited):
    fill({"a.png": CAT})
    edited("a.png")
    fill({"copy.png": CAT})
    [group] = ask("GET", "/v1/duplicates").json["groups"]
    assert (group["kind"], keys(group)) == ("near", ["a.png", "copy.png"])


def test_groups_are_paginated(ask, fill):
    for number in range(5):
        data = picture(f"picture {number}")
        fill({f"{number}/a.png": data, f"{number}/b.png": data})
    found, cursor = [], {}
    while True:
        answer = ask("GET", "/v1/duplicates", limit="2", **cursor).json
        found += [keys(group)[0] for group in answer["groups"]]
        if answer["cursor"] is None:
            break
        cursor = {"cursor": answer["cursor"]}
    assert found == [f"{number}/a.png" for number in range(5)]


def test_groups_can_be_limited_to_a_collection(ask, fill):
    fill({"cats/a.png": CAT, "cats/b.png": CAT, "dogs/a.png": DOG, "dogs/b.png": CAT})
    [group] = ask("GET", "/v1/duplicates", collection="cats").json["groups"]
    assert keys(group) == ["cats/a.png", "cats/b.png"]


def test_the_bytes_of_an_indexed_image_are_recognized(ask, fill):
    fill({"a.png": CAT, "b.png": DOG})
    answer = ask("POST", "/v1/duplicates/check", CAT, type="image/png")
    assert answer.status == 200
    assert answer.json["duplicate"] is True
    [match] = answer.json["matches"]
    assert (match["kind"], match["confidence"], match["distance"]) == ("exact", 1, 0)
    assert (match["score"], match["image"]["key"]) == (pytest.approx(1), "a.png")


def test_an_edited_copy_of_an_indexed_image_is_recognized(ask, fill, edited):
    fill({"a.png": CAT})
    edited("a.png")
    answer = check(ask, image=base64.b64encode(CAT).decode())
    assert matched(answer) == [("near", "a.png")]
    assert answer.json["matches"][0]["confidence"] > 0.95


def test_exact_matches_come_first(ask, fill, edited):
    fill({"a.png": CAT, "b.png": CAT})
    edited("a.png")
    answer = ask("POST", "/v1/duplicates/check", CAT, type="image/png")
    assert matched(answer) == [("exact", "b.png"), ("near", "a.png")]


def test_a_new_image_is_not_a_duplicate(ask, fill):
    fill({"a.png": CAT})
    answer = ask("POST", "/v1/duplicates/check", DOG, type="image/png")
    assert answer.json == {"duplicate": False, "matches": []}


def test_an_indexed_image_does_not_match_itself(ask, fill):
    fill({"a.png": CAT, "b.png": DOG, "copy.png": CAT})
    assert matched(check(ask, id=ref("a.png").id)) == [("exact", "copy.png")]
    assert check(ask, id=ref("b.png").id).json["duplicate"] is False


def test_a_check_can_be_limited_to_a_collection(ask, fill):
    fill({"cats/a.png": CAT, "dogs/a.png": CAT})
    found = check(ask, image=base64.b64encode(CAT).decode(), collection="dogs")
    assert matched(found) == [("exact", "dogs/a.png")]
    query = {"collection": "cats", "threshold": "0.9"}
    found = ask("POST", "/v1/duplicates/check", CAT, type="image/png", **query)
    assert matched(found) == [("exact", "cats/a.png")]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"threshold": "0.5"}, "invalid_threshold"),
        ({"threshold": "1"}, "invalid_threshold"),
        ({"threshold": "nan"}, "invalid_threshold"),
        ({"threshold": "much"}, "invalid_threshold"),
        ({"limit": "0"}, "invalid_limit"),
        ({"limit": "101"}, "invalid_limit"),
        ({"cursor": "made-up"}, "invalid_cursor"),
        ({"q": "a cat"}, "unknown_parameter"),
    ],
)
def test_invalid_group_requests_are_rejected(ask, query, code):
    answer = ask("GET", "/v1/duplicates", **query)
    assert (answer.status, answer.json["error"]["code"]) == (400, code)
    assert answer.json["error"]["hint"]


def test_a_cursor_is_valid_for_its_own_threshold_only(ask, fill):
    for number in range(2):
        data = picture(f"picture {number}")
        fill({f"{number}/a.png": data, f"{number}/b.png": data})
    cursor = ask("GET", "/v1/duplicates", limit="1").json["cursor"]
    answer = ask("GET", "/v1/duplicates", cursor=cursor, threshold="0.9")
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_query"),
        ({"id": "a", "image": "aGk="}, "invalid_query"),
        ({"image": "no base64!"}, "invalid_image"),
        ({"id": "a", "threshold": 0.5}, "invalid_threshold"),
        ({"id": "a", "threshold": "0.95"}, "invalid_threshold"),
        ({"id": "a", "limit": 5}, "unknown_field"),
    ],
)
def test_an_invalid_check_is_rejected(ask, body, code):
    answer = check(ask, **body)
    assert (answer.status, answer.json["error"]["code"]) == (400, code)
    assert answer.json["error"]["hint"]


def test_parameters_cannot_be_combined_with_json(ask):
    query = {"threshold": "0.9"}
    answer = ask("POST", "/v1/duplicates/check", {"id": "a"}, **query)
    assert answer.status == 400


def test_an_unknown_id_is_not_found(ask):
    answer = check(ask, id="nothing")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert answer.json["error"]["hint"]


def test_bytes_that_are_not_an_image_are_rejected(ask):
    answer = ask("POST", "/v1/duplicates/check", b"%PDF", type="image/png")
    assert (answer.status, answer.json["error"]["code"]) == (422, "unreadable_image")


def test_an_unavailable_index_is_503(ask, index):
    index.unavailable = True
    assert ask("GET", "/v1/duplicates").status == 503
    assert ask("POST", "/v1/duplicates/check", CAT, type="image/png").status == 503


@pytest.mark.parametrize("derived", [FakeDerived()])
def test_duplicates_have_thumbnail_urls(ask, fill, derived):
    fill({"a.png": CAT, "b.png": CAT})
    [group] = ask("GET", "/v1/duplicates").json["groups"]
    assert all(image["thumbnail_url"] for image in group["images"])


def test_image_keys_are_not_logged(ask, fill, logs):
    fill({"secret/a.png": CAT, "secret/b.png": CAT})
    ask("GET", "/v1/duplicates")
    ask("POST", "/v1/duplicates/check", CAT, type="image/png")
    assert "secret" not in logs.stream.getvalue()


def test_an_incomparable_indexed_image_is_neither_match_nor_error(ask, fill, edited, index):
    fill({"a.png": CAT, "odd.png": CAT, "b.png": CAT})
    for key in ("odd.png", "b.png"):
        edited(key)
    stored = index.get([ref("odd.png").id])[ref("odd.png").id]
    odd = replace(stored.document, miniature="nonsense", phash="nonsense")
    index.write([Touch(odd, stored.version)])
    answer = check(ask, id=ref("a.png").id)
    assert answer.status == 200
    assert ("near", "b.png") in matched(answer)
    assert check(ask, id=ref("odd.png").id).status == 200
