"""Claims about POST /v1/feedback: the stored record and the errors."""

import json
import os

import numpy as np
import pytest

from functions.search.request_log import short_digest
from imagesearch.adapters.filesystem.derived_store import FolderDerived
from imagesearch.learning.opinions import rated_queries, read_opinions
from imagesearch.learning.tuner import stored_lines
from tests.support.fakes import FakeDerived, picture, ref, vector

PATH = "/v1/feedback"
# Vectors of one component, in base64.
NAN, ONE = "AADAfw==", "AACAPw=="
TOM = ref("tom.png").id


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def search_id(ask, fill) -> str:
    fill({"tom.png": picture("a cat")})
    return ask("GET", "/v1/search", q="a secret cat", feedback="true").json["search_id"]


def kept(derived) -> list[dict]:
    found = {key: data for key, data in derived.files.items() if key.startswith("feedback/")}
    assert all(type == "application/json" for _, type in found.values())
    return [json.loads(data) for data, _ in found.values()]


def test_feedback_is_stored_with_both_vectors_and_without_the_text(ask, derived, search_id):
    answer = ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": True})
    assert (answer.status, answer.json) == (201, {"kept": True})
    [event] = kept(derived)
    assert set(event) == {
        *("time", "model", "image_space", "query", "query_embedding"),
        *("image", "image_embedding", "relevant", "user"),
    }
    assert (event["query"], event["image"], event["relevant"]) == ("text", TOM, True)
    assert np.array(event["query_embedding"]) @ vector("a secret cat") >= 0.9999
    assert np.array(event["image_embedding"]) @ vector("a cat") >= 0.9999
    assert "secret" not in json.dumps(event)


def test_feedback_is_stored_under_the_day_of_its_search(ask, derived, search_id):
    ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": True})
    [key] = [key for key in derived.files if key.startswith("feedback/")]
    [event] = kept(derived)
    assert key.startswith(f"feedback/{event['time'][:10].replace('-', '/')}/")


def test_equal_feedback_is_stored_once_and_different_feedback_separately(ask, derived, search_id):
    for relevant in (True, True, False):
        ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": relevant})
    assert sorted(event["relevant"] for event in kept(derived)) == [False, True]


class TestChangedOpinion:
    """In a folder, whose files have times of writing."""

    @pytest.fixture
    def derived(self, tmp_path) -> FolderDerived:
        return FolderDerived(tmp_path)

    @pytest.mark.parametrize("opinions", [(True, False), (False, True), (True, False, True)])
    def test_the_last_opinion_of_a_user_counts(self, ask, derived, search_id, opinions, tmp_path):
        """All are of one search and have its time, and repeating the first one writes it again."""
        for second, relevant in enumerate(opinions, 1):
            ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": relevant})
            for file in (tmp_path / "feedback").rglob("*.json"):
                if file.stat().st_mtime > len(opinions):
                    os.utime(file, (second, second))
        lines = list(stored_lines(derived))
        record = json.loads(lines[0])
        found = read_opinions(lines, record["model"], record["image_space"], len(vector("a")))
        [rated] = rated_queries(found)
        assert (len(rated.liked), len(rated.disliked)) == ((1, 0) if opinions[-1] else (0, 1))


def test_searches_store_no_feedback(derived, search_id):
    assert kept(derived) == []


def test_only_a_search_that_asks_for_an_id_is_stored(ask, derived, search_id):
    assert len(search_id) <= 64
    [key] = [key for key in derived.files if key.startswith("searches/")]
    assert "secret" not in str(derived.files[key])
    assert "search_id" not in ask("GET", "/v1/search", q="a cat").json
    body = {"searches": [{"query": {"text": "a"}}, {"query": {"text": "b"}, "feedback": True}]}
    first, second = ask("POST", "/v1/search/batch", body).json["results"]
    assert ("search_id" in first, "search_id" in second) == (False, True)
    assert len([key for key in derived.files if key.startswith("searches/")]) == 2


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{}", b"[]", {"embedding": 1}, {"model": "x"}, {"embedding": NAN}, {"embedding": ONE}],
    ids=str,
)
def test_a_damaged_or_foreign_search_is_invalid(ask, derived, search_id, damaged):
    key = f"searches/{search_id}.json"
    if isinstance(damaged, dict):
        damaged = json.dumps(json.loads(derived.files[key][0]) | damaged).encode()
    derived.files[key] = damaged, "application/json"
    answer = ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": True})
    assert (answer.status, answer.error) == (400, "invalid_search_id")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"search_id": "made-up"}, "invalid_search_id"),
        ({"search_id": "x" * 32}, "invalid_search_id"),
        ({"search_id": "../" * 10 + "xx"}, "invalid_search_id"),
        ({"search_id": ""}, "invalid_search_id"),
        ({"search_id": "x" * 65}, "invalid_search_id"),
        ({"search_id": None}, "invalid_search_id"),
        ({"relevant": "yes"}, "invalid_query"),
        ({"relevant": 1}, "invalid_query"),
        ({"id": ""}, "invalid_query"),
        ({"note": "nice"}, "unknown_field"),
    ],
    ids=str,
)
def test_an_invalid_body_is_rejected(ask, derived, search_id, more, code):
    body = {"search_id": search_id, "id": TOM, "relevant": True, **more}
    answer = ask("POST", PATH, body)
    assert (answer.status, answer.error) == (400, code)
    assert answer.json["error"]["hint"]
    assert kept(derived) == []


def test_a_missing_image_is_404(ask, derived, search_id):
    body = {"search_id": search_id, "id": "nobody", "relevant": True}
    assert ask("POST", PATH, body).status == 404
    assert kept(derived) == []


def test_an_unavailable_store_is_503(ask, derived, search_id):
    derived.unavailable = "feedback/"
    body = {"search_id": search_id, "id": TOM, "relevant": True}
    assert ask("POST", PATH, body).status == 503


def test_a_body_that_is_not_json_is_415(ask):
    assert ask("POST", PATH, "x", "text/plain").status == 415


def test_search_ids_are_not_logged(ask, logs, search_id):
    ask("POST", PATH, {"search_id": search_id, "id": TOM, "relevant": True})
    assert search_id not in logs
    assert short_digest(search_id) in logs


class TestDisabled:
    @pytest.fixture
    def derived(self) -> None:
        return None

    def test_disabled_feedback_is_reported(self, ask):
        body = {"search_id": "x", "id": TOM, "relevant": True}
        for answer in (
            ask("POST", PATH, body),
            ask("GET", "/v1/search", q="a cat", feedback="true"),
        ):
            assert (answer.status, answer.error) == (403, "not_allowed")
            assert "DERIVED_URI" in answer.json["error"]["hint"]
