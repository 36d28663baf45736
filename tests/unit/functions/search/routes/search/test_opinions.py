"""Claims about `like` and `unlike` of a search: the order of hits, unknown ids, and limits."""

import json

import pytest

from imagesearch.search.refinement import MAX_OPINIONS
from tests.support.fakes import FakeDerived, picture, ref, vector

PATH, BATCH = "/v1/search", "/v1/search/batch"
NAMES = [f"{number}.png" for number in range(8)]
IDS = {name: ref(name).id for name in NAMES}


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture(autouse=True)
def _images(fill):
    fill({name: picture(f"picture {name}") for name in NAMES})


def search(**more):
    return {"query": {"text": "a cat"}, **more}


def scores(answer):
    assert answer.status == 200
    return {hit["key"]: hit["score"] for hit in answer.json["hits"]}


@pytest.mark.parametrize("name", NAMES)
def test_hits_are_nearer_to_liked_and_farther_from_disliked_images(ask, name):
    plain = scores(ask("POST", PATH, search()))
    liked = scores(ask("POST", PATH, search(like=[IDS[name]])))
    assert liked[name] > plain[name]
    disliked = scores(ask("POST", PATH, search(unlike=[IDS[name]])))
    assert set(disliked) == set(plain) - {name}


def test_an_image_query_and_a_mixture_take_opinions(ask):
    terms = [{"text": "a cat"}, {"id": IDS["1.png"]}]
    for query in ({"id": IDS["0.png"]}, {"terms": terms}):
        plain = scores(ask("POST", PATH, {"query": query}))
        liked = scores(ask("POST", PATH, {"query": query, "like": [IDS["2.png"]]}))
        assert liked["2.png"] > plain["2.png"]


def test_feedback_on_a_refined_search_is_about_the_query_itself(ask, derived):
    opinions = {"like": [IDS["0.png"]], "unlike": [IDS["1.png"]]}
    answer = ask("POST", PATH, search(feedback=True, **opinions))
    body = {"search_id": answer.json["search_id"], "id": IDS["2.png"], "relevant": True}
    ask("POST", "/v1/feedback", body)
    [data] = [data for key, (data, _) in derived.files.items() if key.startswith("feedback/")]
    assert vector("a cat") @ json.loads(data)["query_embedding"] >= 0.9999


def test_pages_of_a_refined_search_belong_to_its_opinions(ask):
    first = ask("POST", PATH, search(like=[IDS["0.png"]], limit=3)).json
    more = search(like=[IDS["0.png"]], limit=3, cursor=first["cursor"])
    second = ask("POST", PATH, more).json
    keys = [hit["key"] for page in (first, second) for hit in page["hits"]]
    assert len(set(keys)) == 6
    other = ask("POST", PATH, search(like=[IDS["1.png"]], cursor=first["cursor"]))
    assert (other.status, other.error) == (400, "invalid_cursor")


@pytest.mark.parametrize("field", ["like", "unlike"])
def test_an_unknown_id_is_404_and_fails_only_its_search_of_a_batch(ask, field):
    wrong = search(**{field: [IDS["0.png"], "nobody"]})
    answer = ask("POST", PATH, wrong)
    assert (answer.status, answer.error) == (404, "not_found")
    assert f"{field}.1" in answer.json["error"]["message"]
    first, second = ask("POST", BATCH, {"searches": [wrong, search()]}).json["results"]
    assert first["error"]["code"] == "not_found"
    assert second["hits"]


@pytest.mark.parametrize(
    "more",
    [
        {"like": [f"{number}" for number in range(MAX_OPINIONS + 1)]},
        {"unlike": [""]},
        {"like": "0.png"},
        {"like": [IDS["0.png"]], "unlike": [IDS["0.png"]]},
    ],
    ids=["too many", "empty", "no list", "in both"],
)
def test_invalid_opinions_are_rejected(ask, more):
    answer = ask("POST", PATH, search(**more))
    assert (answer.status, answer.error) == (400, "invalid_opinions")


def test_nothing_is_stored_of_opinions_without_feedback(ask, derived):
    opinions, before = {"like": [IDS["0.png"]], "unlike": [IDS["1.png"]]}, dict(derived.files)
    assert scores(ask("POST", PATH, search(**opinions)))
    assert ask("POST", BATCH, {"searches": [search(**opinions)] * 2}).status == 200
    assert derived.files == before


def test_without_opinions_nothing_changes(ask):
    empty = ask("POST", PATH, search(like=[], unlike=[]))
    assert scores(empty) == scores(ask("POST", PATH, search()))
    assert empty.json["adapter"] is None
