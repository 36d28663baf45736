"""Settings are read from the environment, with errors that name the variable."""

import pytest

from imagesearch.domain.errors import ConfigurationError
from imagesearch.settings import Settings

NEEDED = {"BUCKET": "photos", "INDEX_URL": "https://search", "MODEL_URI": "/model"}


def settings(**more):
    return Settings.from_environment(NEEDED | more)


def test_the_default_index_is_lucene_uncompressed_with_one_shard():
    read = settings()
    assert (read.index_engine, read.index_compression) == ("lucene", "1x")
    assert (read.index_shards, read.index_replicas, read.index_refresh_seconds) == (1, None, 1)


def test_every_index_setting_can_be_configured():
    read = settings(
        INDEX_ENGINE="faiss",
        INDEX_COMPRESSION="32x",
        INDEX_SHARDS="4",
        INDEX_REPLICAS="0",
        INDEX_REFRESH_SECONDS="30",
    )
    assert (read.index_engine, read.index_compression) == ("faiss", "32x")
    assert (read.index_shards, read.index_replicas, read.index_refresh_seconds) == (4, 0, 30)


@pytest.mark.parametrize(("name", "value"), [
    ("INDEX_ENGINE", "nmslib"),
    ("INDEX_COMPRESSION", "3x"),
    ("INDEX_SHARDS", "0"),
    ("INDEX_SHARDS", "many"),
    ("INDEX_REPLICAS", "-1"),
    ("INDEX_REFRESH_SECONDS", "0"),
])  # fmt: skip
def test_an_invalid_value_is_named(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is '{value}'"):
        settings(**{name: value})


@pytest.mark.parametrize(("engine", "compression"), [("lucene", "32x"), ("faiss", "4x")])
def test_a_compression_that_the_engine_lacks_is_rejected(engine, compression):
    with pytest.raises(ConfigurationError, match=f"INDEX_COMPRESSION.*{engine} supports 1x"):
        settings(INDEX_ENGINE=engine, INDEX_COMPRESSION=compression)


def test_an_unknown_engine_is_named_before_its_compression():
    with pytest.raises(ConfigurationError, match="INDEX_ENGINE"):
        settings(INDEX_ENGINE="nmslib", INDEX_COMPRESSION="4x")


@pytest.mark.parametrize(
    "sources", ["sqlite:///a/index.db", "file:///a,sqlite:///b", "sqlite:///a,file:///b,file:///c"]
)
def test_a_content_source_is_an_index_and_a_folder(sources):
    with pytest.raises(ConfigurationError, match="REUSE_FROM is"):
        settings(REUSE_FROM=sources)


def test_several_content_sources_can_be_configured():
    sources = "sqlite:///a/index.db,file:///a/derived sqlite:///b%2C/index.db,file:///b%2C/derived"
    assert settings(REUSE_FROM=sources).reuse_from == sources
