"""Claims: `truncated` is true for images with an incomplete file, otherwise absent."""

from dataclasses import replace

from imagesearch.indexing.indexer import Indexer
from tests.support.fakes import FakeImages, picture, ref


class CutImages(FakeImages):
    """Reports every file as truncated."""

    def encode_images(self, images, details=None):
        return [replace(each, truncated=True) for each in super().encode_images(images, details)]


def test_hits_lists_and_records_mark_truncated_files(ask, store, index):
    store.put("a.png", picture("a"))
    Indexer(store, index, CutImages()).process([ref("a.png")])
    assert ask("GET", "/v1/search", q="a").json["hits"][0]["truncated"] is True
    assert ask("GET", "/v1/images").json["images"][0]["truncated"] is True
    assert ask("GET", f"/v1/images/{ref('a.png').id}").json["truncated"] is True


def test_a_complete_image_has_no_truncated_field(ask, fill):
    fill({"a.png": picture("a")})
    assert "truncated" not in ask("GET", f"/v1/images/{ref('a.png').id}").json
    assert "truncated" not in ask("GET", "/v1/search", q="a").json["hits"][0]
