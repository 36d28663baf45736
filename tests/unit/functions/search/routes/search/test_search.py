"""Claims about the results of each search route."""

import base64

import pytest

from tests.support.fakes import picture, ref


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat"), "pets/rex.png": picture("a dog")}, camera="X100")


def keys(answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [hit["key"] for hit in answer.json["hits"]]


def test_text_in_the_query_string_finds_images(ask, pets):
    assert keys(ask("GET", "/v1/search", q="a dog")) == ["pets/rex.png", "pets/tom.png"]


def test_a_search_response_has_the_documented_fields(ask, pets):
    answer = ask("GET", "/v1/search", q="a dog", limit="1").json
    assert set(answer) == {"model", "adapter", "took_ms", "hits", "cursor"}
    assert set(answer["took_ms"]) == {"embed", "search", "total"}
    [hit] = answer["hits"]
    assert hit == {
        "id": ref("pets/rex.png").id,
        "key": "pets/rex.png",
        "score": 1.0,
        "relevance": 0.982,
        "url": "https://pictures.test/pets/rex.png",
        "thumbnail_url": None,
        "width": 640,
        "height": 480,
        "content_type": "image/png",
        "taken_at": None,
        "metadata": {"camera": "X100"},
    }


def test_text_in_json_finds_images(ask, pets):
    assert keys(ask("POST", "/v1/search", {"query": {"text": "a cat"}, "limit": 1})) == [
        "pets/tom.png"
    ]


def test_json_can_be_sent_in_base64(ask, pets):
    assert keys(ask("POST", "/v1/search", b'{"query": {"text": "a cat"}, "limit": 1}')) == [
        "pets/tom.png"
    ]


@pytest.mark.parametrize("type", ["application/json; charset=utf-8", "Application/JSON", None])
def test_json_is_accepted_with_its_content_type_or_none(ask, pets, type):
    assert keys(ask("POST", "/v1/search", '{"query": {"text": "a cat"}}', type))


def test_an_image_in_json_finds_images(ask, pets):
    image = base64.b64encode(picture("a cat")).decode()
    assert keys(ask("POST", "/v1/search", {"query": {"image": image}}))[0] == "pets/tom.png"


@pytest.mark.parametrize("type", ["image/png", "IMAGE/JPEG"])
def test_the_bytes_of_an_image_find_images(ask, pets, type):
    found = ask("POST", "/v1/search", picture("a cat"), type, limit="1")
    assert keys(found) == ["pets/tom.png"]


def test_an_indexed_image_finds_its_neighbours(ask, pets):
    id = ref("pets/tom.png").id
    assert keys(ask("POST", "/v1/search", {"query": {"id": id}})) == ["pets/rex.png"]
    assert keys(ask("GET", f"/v1/images/{id}/similar")) == ["pets/rex.png"]


@pytest.mark.parametrize("how", ["GET", "POST", "bytes"])
def test_a_cursor_returns_the_next_page_of_the_same_search(ask, pets, how):
    def page(cursor: str | None):
        if how == "POST":
            body = {"query": {"text": "a dog"}, "limit": 1, "cursor": cursor}
            return ask("POST", "/v1/search", body)
        more = {"cursor": cursor} if cursor else {}
        if how == "bytes":
            return ask("POST", "/v1/search", picture("a dog"), "image/png", limit="1", **more)
        return ask("GET", "/v1/search", q="a dog", limit="1", **more)

    first = page(None)
    second = page(first.json["cursor"])
    assert keys(first) + keys(second) == ["pets/rex.png", "pets/tom.png"]
    assert second.json["cursor"] is None


@pytest.mark.parametrize("collection", ["pets", ""])
def test_a_collection_limits_a_search_and_an_empty_one_does_not(ask, pets, fill, collection):
    fill({"a cat.png": picture("a cat")})
    found = keys(ask("GET", "/v1/search", q="a cat", collection=collection))
    assert ("a cat.png" in found) is (collection == "")


@pytest.mark.parametrize("how", ["GET", "POST", "bytes", "similar"])
def test_less_relevant_hits_are_excluded(ask, fill, how):
    fill({name: picture("a cat") for name in ("tom.png", "tim.png")} | {"a.png": picture("a dog")})

    def found(least: float) -> set[str]:
        if how == "POST":
            body = {"query": {"text": "a cat"}, "min_relevance": least}
            return set(keys(ask("POST", "/v1/search", body)))
        more = {"min_relevance": str(least)}
        if how == "bytes":
            return set(keys(ask("POST", "/v1/search", picture("a cat"), "image/png", **more)))
        if how == "similar":
            return set(keys(ask("GET", f"/v1/images/{ref('tom.png').id}/similar", **more)))
        return set(keys(ask("GET", "/v1/search", q="a cat", **more)))

    assert found(0) == found(0.9) | {"a.png"}
    assert "a.png" not in found(0.9)
    assert "tim.png" in found(0.9)
    assert found(0.99) == set()


def test_relevance_without_a_calibration_is_null_and_cannot_be_required(pets, uncalibrated):
    found = uncalibrated("GET", "/v1/search", q="a cat")
    assert [hit["relevance"] for hit in found.json["hits"]] == [None, None]
    response = uncalibrated("GET", "/v1/search", q="a cat", min_relevance="0.5")
    assert (response.status, response.error) == (400, "no_relevance")
    assert "calibrate" in response.json["error"]["hint"]


@pytest.mark.parametrize(
    "q", ["x", "🐈 日本語", "a\0b", "\x07", "a,b", "100% + 1 & more", "x" * 2_000]
)
def test_any_text_can_be_searched(ask, q):
    assert ask("GET", "/v1/search", q=q).status == 200
    assert ask("POST", "/v1/search", {"query": {"text": q}}).status == 200


def test_responses_are_not_cacheable(ask, pets):
    headers = ask("GET", "/v1/search", q="a dog").headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not any(name.lower().startswith("access-control") for name in headers)


def test_a_trailing_slash_makes_no_difference(ask):
    assert ask("GET", "/v1/health/").status == 200


def test_head_returns_no_body(ask):
    answer = ask("HEAD", "/v1/health")
    assert (answer.status, answer.body) == (200, "")
