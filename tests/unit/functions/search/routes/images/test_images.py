"""Claims about lists of images and their records."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.fakes import picture, ref


@pytest.fixture
def pets(fill):
    fill({"pets/tom.png": picture("a cat"), "pets/rex.png": picture("a dog")}, camera="X100")


def test_the_list_contains_indexed_images_without_reasons(ask, pets):
    answer = ask("GET", "/v1/images", status="indexed").json
    assert [image["key"] for image in answer["images"]] == ["pets/rex.png", "pets/tom.png"]
    assert answer["cursor"] is None
    image = answer["images"][0]
    assert image["status"] == "indexed"
    assert (image["width"], image["height"], image["size"]) == (640, 480, len(picture("a dog")))
    assert (image["collection"], image["metadata"]) == ("pets", {"camera": "X100"})
    assert "reason" not in image
    assert "decoder" not in image


def test_the_list_contains_rejected_images_with_reason_and_decoder(ask, fill):
    fill({"a.png": picture("broken"), "b.png": picture("a cat")})
    [image] = ask("GET", "/v1/images", status="rejected").json["images"]
    assert (image["key"], image["status"]) == ("a.png", "rejected")
    assert (image["reason"], image["decoder"]) == ("cannot be decoded", "fake 1")
    assert "width" not in image


def test_the_list_is_paginated(ask, pets):
    first = ask("GET", "/v1/images", limit="1").json
    second = ask("GET", "/v1/images", limit="1", cursor=first["cursor"]).json
    found = first["images"] + second["images"]
    assert [image["key"] for image in found] == ["pets/rex.png", "pets/tom.png"]
    assert second["cursor"] is None


@pytest.fixture
def dated(fill, index):
    """Images whose dates and keys differ in order, one of them without a date."""
    fill({f"{name}.png": picture(name) for name in "abcd"})
    for name, year in (("a", 2022), ("b", 2020), ("d", 2024)):
        document, *rest = index.entries[ref(f"{name}.png").id]
        taken = replace(document, taken_at=datetime(year, 1, 1, tzinfo=UTC))
        index.entries[document.id] = taken, *rest


@pytest.mark.parametrize(
    ("sort", "order"), [("key", "abcd"), ("taken_at", "badc"), ("-taken_at", "dabc")]
)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_list_is_sorted_as_requested_on_every_page(ask, dated, sort, order, limit):
    found, cursor = [], None
    while not found or cursor:
        more = {"cursor": cursor} if cursor else {}
        page = ask("GET", "/v1/images", sort=sort, limit=str(limit), **more).json
        found += [image["key"] for image in page["images"]]
        cursor = page["cursor"]
    assert found == [f"{name}.png" for name in order]


def test_the_list_can_be_limited_to_a_prefix(ask, pets, fill):
    fill({"petunia.png": picture("a flower"), "x.png": picture("x")})
    for prefix, count in (("pet", 3), ("pets/", 2), ("pets/r", 1), ("", 4), ("y", 0)):
        for sort in ("key", "-taken_at"):
            found = ask("GET", "/v1/images", prefix=prefix, sort=sort).json["images"]
            assert len(found) == count


def test_times_are_returned_in_utc(ask, pets):
    [image, _] = ask("GET", "/v1/images").json["images"]
    assert image["last_modified"] == "2026-01-01T00:00:02Z"
    assert image["indexed_at"].endswith("Z")


def test_the_record_of_an_image_has_a_url(ask, pets):
    image = ask("GET", f"/v1/images/{ref('pets/tom.png').id}").json
    assert image["key"] == "pets/tom.png"
    assert image["url"] == "https://pictures.test/pets/tom.png"


@pytest.mark.parametrize(
    ("status", "query"), [(200, {"status": "rejected"}), (400, {"status": "lost"})]
)
def test_an_unknown_status_is_400(ask, status, query):
    assert ask("GET", "/v1/images", **query).status == status


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"status": "pending"}, "invalid_query"),
        ({"sort": "size"}, "invalid_query"),
        ({"sort": "-key"}, "invalid_query"),
        ({"sort": ["key", "taken_at"]}, "invalid_query"),
        ({"prefix": "x" * 1_025}, "invalid_query"),
        ({"prefix": "half \ud800"}, "invalid_query"),
        ({"limit": "101"}, "invalid_limit"),
        ({"cursor": "made-up"}, "invalid_cursor"),
        ({"order": "key"}, "unknown_parameter"),
    ],
)
def test_an_invalid_list_request_is_rejected(ask, query, code):
    answer = ask("GET", "/v1/images", **query)
    assert (answer.status, answer.error) == (400, code)
    assert answer.json["error"]["hint"]
