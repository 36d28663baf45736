"""A bucket, an index and an indexer between them, all in memory."""

from datetime import timedelta

import pytest

from imagesearch.indexing import Indexer
from imagesearch.searching import Searcher

from .fakes import START, FakeImages, FakeIndex, FakeStore, FakeTexts


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
def searcher(index, images) -> Searcher:
    return Searcher(index, FakeTexts(), images)
