"""Listing of indexes by prefix excludes those of a longer prefix."""

import pytest

from imagesearch import bootstrap
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.errors import Unavailable
from imagesearch.settings import Settings

SPACE, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "index.db"


@pytest.fixture
def settings(file):
    return Settings(bucket="b", index_url=f"sqlite://{file}", model_uri="/nowhere")


def test_only_indexes_of_the_exact_prefix_are_listed(file, settings):
    for name in (f"images-{SPACE}", f"images-{OTHER}", f"images-test-{SPACE}", "images-old"):
        SqliteIndex(file, name, 4).close()
    assert list(bootstrap.vector_indexes(settings)) == [f"images-{SPACE}", f"images-{OTHER}"]


def test_a_missing_file_has_no_indexes(file, settings):
    assert bootstrap.vector_indexes(settings) == {}
    assert not file.exists()


def test_a_file_that_is_not_a_database_is_not_listed_as_empty(file, settings):
    file.write_bytes(b"my diary" * 1000)
    with pytest.raises(Unavailable, match=r"index\.db"):
        bootstrap.vector_indexes(settings)
