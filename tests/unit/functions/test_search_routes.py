"""Claims about what each route answers."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ..usecases.fakes import picture, ref


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat"), "pets/rex.png": picture("a dog")}, camera="X100")


def keys(answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [hit["key"] for hit in answer.json["hits"]]


def test_words_in_the_query_string_find_images(ask, pets):
    assert keys(ask("GET", "/v1/search", q="a dog")) == ["pets/rex.png", "pets/tom.png"]


def test_an_answer_holds_what_the_interface_states(ask, pets):
    answer = ask("GET", "/v1/search", q="a dog", limit="1").json
    assert set(answer) == {"search_id", "model", "took_ms", "hits", "cursor"}
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


def test_words_in_json_find_images(ask, pets):
    assert keys(ask("POST", "/v1/search", {"query": {"text": "a cat"}, "limit": 1})) == [
        "pets/tom.png"
    ]


def test_json_may_come_in_base64(ask, pets):
    assert keys(ask("POST", "/v1/search", b'{"query": {"text": "a cat"}, "limit": 1}')) == [
        "pets/tom.png"
    ]


@pytest.mark.parametrize("type", ["application/json; charset=utf-8", "Application/JSON", None])
def test_json_is_known_by_its_type_or_by_none(ask, pets, type):
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
def test_a_cursor_gets_the_next_page_of_the_same_search(ask, pets, how):
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
def test_a_collection_narrows_a_search_and_an_empty_one_does_not(ask, pets, fill, collection):
    fill({"a cat.png": picture("a cat")})
    found = keys(ask("GET", "/v1/search", q="a cat", collection=collection))
    assert ("a cat.png" in found) is (collection == "")


@pytest.mark.parametrize("how", ["GET", "POST", "bytes", "similar"])
def test_what_is_less_relevant_is_left_out(ask, fill, how):
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


def test_without_a_calibration_relevance_is_null_and_cannot_be_asked_for(pets, uncalibrated):
    found = uncalibrated("GET", "/v1/search", q="a cat")
    assert [hit["relevance"] for hit in found.json["hits"]] == [None, None]
    refused = uncalibrated("GET", "/v1/search", q="a cat", min_relevance="0.5")
    assert (refused.status, refused.error) == (400, "no_relevance")
    assert "calibrate" in refused.json["error"]["hint"]


@pytest.mark.parametrize(
    "q", ["x", "🐈 日本語", "a\0b", "\x07", "a,b", "100% + 1 & more", "x" * 2_000]
)
def test_any_words_are_answered(ask, q):
    assert ask("GET", "/v1/search", q=q).status == 200
    assert ask("POST", "/v1/search", {"query": {"text": q}}).status == 200


def test_the_list_holds_indexed_images_without_reasons(ask, pets):
    answer = ask("GET", "/v1/images", status="indexed").json
    assert [image["key"] for image in answer["images"]] == ["pets/rex.png", "pets/tom.png"]
    assert answer["cursor"] is None
    image = answer["images"][0]
    assert image["status"] == "indexed"
    assert (image["width"], image["height"], image["size"]) == (640, 480, len(picture("a dog")))
    assert (image["collection"], image["metadata"]) == ("pets", {"camera": "X100"})
    assert "reason" not in image
    assert "decoder" not in image


def test_the_list_holds_rejected_images_with_reason_and_decoder(ask, fill):
    fill({"a.png": picture("broken"), "b.png": picture("a cat")})
    [image] = ask("GET", "/v1/images", status="rejected").json["images"]
    assert (image["key"], image["status"]) == ("a.png", "rejected")
    assert (image["reason"], image["decoder"]) == ("cannot be decoded", "fake 1")
    assert "width" not in image


def test_the_list_goes_page_by_page(ask, pets):
    first = ask("GET", "/v1/images", limit="1").json
    second = ask("GET", "/v1/images", limit="1", cursor=first["cursor"]).json
    found = first["images"] + second["images"]
    assert [image["key"] for image in found] == ["pets/rex.png", "pets/tom.png"]
    assert second["cursor"] is None


@pytest.fixture
def dated(fill, index):
    """Images that were taken in another order than that of their keys, one of them undated."""
    fill({f"{name}.png": picture(name) for name in "abcd"})
    for name, year in (("a", 2022), ("b", 2020), ("d", 2024)):
        document, *rest = index.entries[ref(f"{name}.png").id]
        taken = replace(document, taken_at=datetime(year, 1, 1, tzinfo=UTC))
        index.entries[document.id] = taken, *rest


@pytest.mark.parametrize(
    ("sort", "order"), [("key", "abcd"), ("taken_at", "badc"), ("-taken_at", "dabc")]
)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_list_is_sorted_as_asked_on_every_page(ask, dated, sort, order, limit):
    found, cursor = [], None
    while not found or cursor:
        more = {"cursor": cursor} if cursor else {}
        page = ask("GET", "/v1/images", sort=sort, limit=str(limit), **more).json
        found += [image["key"] for image in page["images"]]
        cursor = page["cursor"]
    assert found == [f"{name}.png" for name in order]


def test_the_list_can_be_of_a_prefix(ask, pets, fill):
    fill({"petunia.png": picture("a flower"), "x.png": picture("x")})
    for prefix, count in (("pet", 3), ("pets/", 2), ("pets/r", 1), ("", 4), ("y", 0)):
        for sort in ("key", "-taken_at"):
            found = ask("GET", "/v1/images", prefix=prefix, sort=sort).json["images"]
            assert len(found) == count


def test_times_are_told_in_utc(ask, pets):
    [image, _] = ask("GET", "/v1/images").json["images"]
    assert image["last_modified"] == "2026-01-01T00:00:02Z"
    assert image["indexed_at"].endswith("Z")


def test_one_image_s_record_holds_an_address(ask, pets):
    image = ask("GET", f"/v1/images/{ref('pets/tom.png').id}").json
    assert image["key"] == "pets/tom.png"
    assert image["url"] == "https://pictures.test/pets/tom.png"


def test_answers_are_kept_by_nobody(ask, pets):
    headers = ask("GET", "/v1/search", q="a dog").headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not any(name.lower().startswith("access-control") for name in headers)


def test_a_trailing_slash_makes_no_difference(ask):
    assert ask("GET", "/v1/health/").status == 200


def test_head_is_answered_without_a_body(ask):
    answer = ask("HEAD", "/v1/health")
    assert (answer.status, answer.body) == (200, "")
