"""A bucket, an index and an indexer between them, all in memory."""

from datetime import timedelta

import pytest

from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import Searcher
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeImages, FakeStore, FakeTexts, picture, ref


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex()


@pytest.fixture
def images() -> FakeImages:
    return FakeImages()


@pytest.fixture
def indexer(store, index, images) -> Indexer:
    return Indexer(store, index, images, clock=lambda: START + timedelta(days=1))


@pytest.fixture
def texts() -> FakeTexts:
    return FakeTexts()


@pytest.fixture
def searcher(index, texts, images) -> Searcher:
    return Searcher(index, texts, images)


@pytest.fixture
def fill(store, indexer):
    """Puts pictures of these words under these keys and indexes them."""

    def fill(**words: str) -> None:
        keyed = {name.replace("__", "/") + ".png": said for name, said in words.items()}
        for key, said in keyed.items():
            store.put(key, picture(said))
        indexer.look_at([ref(key) for key in keyed])

    return fill
