"""A model is used only if every image that was searchable is in its index, as far as it can be."""

import pytest

from imagesearch.domain.errors import ConfigurationError, Unavailable
from imagesearch.domain.images import DetailOptions
from imagesearch.indexing.indexer import Indexer
from local.model_switch.served_folder import PacedEncoder, check_index
from tests.support.fake_index import FakeIndex
from tests.support.fakes import FakeImages, FakeStore, picture, ref


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    for key in ("a.png", "b.png"):
        made.put(key, picture(f"a {key}"))
    made.put("broken.png", picture("broken"))
    return made


def indexed(store: FakeStore, *keys: str) -> FakeIndex:
    index = FakeIndex()
    Indexer(store, index, FakeImages()).process([ref(key) for key in keys])
    return index


def test_images_that_failed_with_both_models_do_not_prevent_the_change(store: FakeStore) -> None:
    old = indexed(store, "a.png", "broken.png")
    failed = {ref("gone.png"), ref("broken.png")}
    check_index("clip", old, indexed(store, "a.png"), failed)


def test_an_image_that_would_no_longer_be_searchable_prevents_it(store: FakeStore) -> None:
    old = indexed(store, "a.png", "b.png")
    new = indexed(store, "a.png")
    with pytest.raises(Unavailable, match=r"1 image could not be indexed .* b\.png"):
        check_index("clip", old, new, {ref("a.png"), ref("b.png")})


def test_a_model_without_any_usable_vector_prevents_it(store: FakeStore) -> None:
    with pytest.raises(ConfigurationError, match="no usable vector"):
        check_index("clip", indexed(store, "a.png"), indexed(store, "broken.png"), set())
    check_index("clip", indexed(store), indexed(store), set())


def test_a_paced_encoder_waits_before_each_batch_and_changes_no_result() -> None:
    waits: list[str] = []
    images = FakeImages()
    paced = PacedEncoder(images, lambda: waits.append("waited"))
    files = [picture("a cat"), picture("broken")]
    found, expected = (each.encode_images(files, DetailOptions()) for each in (paced, images))
    assert [type(each) for each in found] == [type(each) for each in expected]
    assert (paced.model, paced.decoder) == (images.model, images.decoder)
    assert waits == ["waited"]
