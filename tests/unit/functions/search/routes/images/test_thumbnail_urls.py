"""Claims: hits, lists and records have URLs of thumbnails."""

import pytest

from imagesearch.indexing.indexer import Indexer
from tests.support.fakes import FakeDerived, picture, ref


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


def test_hits_lists_and_records_have_thumbnail_urls(ask, fill, derived):
    fill({"a.png": picture("a")})
    [key] = derived.files
    address = f"https://derived.test/{key}"
    assert ask("GET", "/v1/search", q="a").json["hits"][0]["thumbnail_url"] == address
    assert ask("GET", "/v1/images").json["images"][0]["thumbnail_url"] == address
    assert ask("GET", f"/v1/images/{ref('a.png').id}").json["thumbnail_url"] == address


def test_a_rejected_image_has_no_thumbnail_url(ask, fill):
    fill({"a.png": picture("broken")})
    assert ask("GET", "/v1/images").json["images"][0]["thumbnail_url"] is None


def test_coordinates_are_returned_if_recorded(ask, store, index, images):
    store.put("a.png", picture("a"))
    Indexer(store, index, images, gps=True).process([ref("a.png")])
    record = ask("GET", f"/v1/images/{ref('a.png').id}").json
    assert (record["latitude"], record["longitude"]) == (48.5, -2.25)
