"""Listing of indexes by name prefix, and dropping them with their content."""

import uuid
from pathlib import Path

import pytest

from imagesearch.adapters.opensearch import client
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqlite import database
from imagesearch.adapters.sqlite.index import SqliteIndex


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture(params=["sqlite", "opensearch"])
def kind(request):
    return request.param


@pytest.fixture
def opened(kind, file, request):
    """Opens an index by name; the indexes of one test share a file or server."""
    indexes = []

    def open_index(name, dimension=4):
        if kind == "sqlite":
            index = SqliteIndex(file, name, dimension)
        else:
            url = request.getfixturevalue("opensearch_url")
            index = OpenSearchIndex(url, name, dimension, model="test")
        indexes.append(index)
        return index

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def prefix(kind, request):
    return request.getfixturevalue("index_name") if kind == "opensearch" else uuid.uuid4().hex


@pytest.fixture
def listed(kind, file, prefix, request):
    if kind == "sqlite":
        return lambda: database.index_dimensions(file)
    url = request.getfixturevalue("opensearch_url")
    return lambda: client.index_dimensions(url, prefix)


def test_no_indexes_are_listed_before_a_write(listed):
    assert listed() == {}


def test_indexes_are_listed_with_their_dimensions(opened, prefix, listed, put):
    for name in ("one", "two"):
        opened(f"{prefix}-{name}").write([put("a")])
    assert listed() == {f"{prefix}-one": 4, f"{prefix}-two": 4}


def test_dropping_an_index_keeps_the_others(opened, prefix, listed, put):
    for name in ("old", "new"):
        opened(f"{prefix}-{name}").write([put("a")])
    opened(f"{prefix}-old").drop()
    assert listed() == {f"{prefix}-new": 4}
    assert put("a").ref.id in opened(f"{prefix}-new").get([put("a").ref.id])


def test_a_dropped_index_is_empty_when_opened_again(opened, prefix, put):
    name = f"{prefix}-one"
    opened(name).write([put("a"), put("b")])
    opened(name).drop()
    again = opened(name)
    assert again.get([put("a").ref.id]) == {}
    assert [result.status for result in again.write([put("a")])] == ["written"]
    assert put("a").ref.id in again.get([put("a").ref.id])


def test_dropping_a_missing_index_does_nothing(opened, prefix, listed):
    index = opened(f"{prefix}-one")
    index.drop()
    index.drop()
    assert listed() == {}
