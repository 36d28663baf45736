"""The OpenSearch index is created before the first write; an index of another space is rejected."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest
from opensearchpy.exceptions import RequestError

from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.ports import Delete, WriteStatus
from imagesearch.domain.queries import VectorQuery
from imagesearch.settings import COMPRESSIONS
from tests.support.waiting import PATIENCE_SECONDS


def test_a_deleted_index_is_created_again(opensearch_url, raw_opensearch, connect, index_name, put):
    index = connect(opensearch_url)
    index.write([put("a")])
    raw_opensearch.indices.delete(index=index_name)
    assert index.health().images == 0
    assert index.write([put("b")])[0].status is WriteStatus.WRITTEN
    raw_opensearch.indices.refresh(index=index_name)
    assert index.health().images == 1


def test_an_index_can_be_created_concurrently(opensearch_url, connect, put):
    indexes = [connect(opensearch_url) for _ in range(6)]
    results = []
    threads = [
        threading.Thread(target=lambda n=n, i=i: results.extend(i.write([put(f"{n}")])))
        for n, i in enumerate(indexes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [result.status for result in results] == ["written"] * 6


def test_an_index_of_another_dimension_is_rejected(opensearch_url, connect, put):
    connect(opensearch_url).write([put()])
    with pytest.raises(ConfigurationError, match="dimension 4, the model needs 8"):
        connect(opensearch_url, dimension=8).write([Delete(put("b").ref, None)])


def test_an_index_of_another_program_is_rejected(
    opensearch_url, raw_opensearch, connect, index_name, put
):
    raw_opensearch.indices.create(index=index_name)
    with pytest.raises(ConfigurationError, match=index_name):
        connect(opensearch_url).write([put()])


def test_an_index_of_another_space_is_not_searched(
    opensearch_url, raw_opensearch, connect, index_name, put, unit_vector
):
    connect(opensearch_url).write([put()])
    other = {"_meta": {"space": "images-other", "dimension": 4}}
    raw_opensearch.indices.put_mapping(index=index_name, body=other)
    index, query = connect(opensearch_url), VectorQuery(unit_vector(0), 1)
    for search in (index.search, lambda query: index.search_many([query])):
        with pytest.raises(ConfigurationError, match="images-other, the model needs"):
            search(query)


# Faiss compares all vectors here: the test server lacks its native library, and would crash when
# building a graph or binary codes (8x and more).
LAYOUTS = [
    IndexSettings(compression="4x"),
    IndexSettings(shards=3, replicas=0),
    IndexSettings("faiss", exact=True),
    IndexSettings("faiss", "2x", exact=True),
]
CHOICES = [(engine, f"{2**n}x") for engine in COMPRESSIONS for n in range(6)]


@pytest.mark.parametrize(("engine", "compression"), CHOICES)
def test_the_server_accepts_exactly_the_supported_compressions(
    raw_opensearch, index_name, engine, compression
):
    layout = IndexSettings(engine, compression)
    mapping = {"properties": {"embedding": layout.vector_field(512)}}
    body = {"settings": layout.to_dict(), "mappings": mapping}
    expectation = (
        nullcontext() if compression in COMPRESSIONS[engine] else pytest.raises(RequestError)
    )
    with expectation:
        raw_opensearch.indices.create(index=index_name, body=body)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_finds_the_nearest_vectors_with_their_cosines(
    opensearch_url, raw_opensearch, connect, index_name, put, unit_vector, layout
):
    index = connect(opensearch_url, settings=layout)
    index.write([put(f"{angle}", angle) for angle in range(0, 180, 9)])
    raw_opensearch.indices.refresh(index=index_name)
    hits = index.search(VectorQuery(unit_vector(0), 5, min_score=0.8))
    assert [hit.document.ref.key for hit in hits] == ["0", "9", "18", "27", "36"]
    cosines = np.cos(np.radians([0, 9, 18, 27, 36]))
    np.testing.assert_allclose([hit.score for hit in hits], cosines, atol=1e-4)
    id = put("27").ref.id
    np.testing.assert_allclose(index.embeddings([id])[id], unit_vector(27), atol=1e-3)


def test_settings_are_those_of_the_layout(opensearch_url, raw_opensearch, connect, index_name, put):
    layout = IndexSettings("lucene", "4x", shards=2, replicas=0, refresh_interval="30s")
    connect(opensearch_url, settings=layout).write([put()])
    made = raw_opensearch.indices.get(index=index_name)[index_name]
    settings, field = made["settings"]["index"], made["mappings"]["properties"]["embedding"]
    assert (settings["number_of_shards"], settings["number_of_replicas"]) == ("2", "0")
    assert settings["refresh_interval"] == "30s"
    assert (field["mode"], field["compression_level"]) == ("on_disk", "4x")
    assert field["method"]["engine"] == "lucene"


def test_the_stored_source_excludes_the_vectors(
    opensearch_url, raw_opensearch, connect, index_name, put
):
    connect(opensearch_url).write([put()])
    settings = raw_opensearch.indices.get_settings(
        index=index_name, params={"include_defaults": "true", "flat_settings": "true"}
    )[index_name]
    known = settings["defaults"] | settings["settings"]
    assert known["index.knn.derived_source.enabled"] == "true"


@pytest.fixture(params=["space", "dimension"])
def foreign_index(request, opensearch_url, raw_opensearch, connect, index_name, put):
    """An index name that exists with vectors of another space or dimension."""
    connect(opensearch_url).write([put()])
    if request.param == "dimension":
        return connect(opensearch_url, dimension=8)
    meta = {"_meta": {"space": "images-other", "dimension": 4}}
    raw_opensearch.indices.put_mapping(index=index_name, body=meta)
    return connect(opensearch_url)


def test_it_is_not_written(foreign_index, put):
    with pytest.raises(ConfigurationError, match="the model needs"):
        foreign_index.write([put("b")])


@pytest.mark.parametrize("foreign_index", ["space"], indirect=True)
def test_another_space_is_not_searched(foreign_index, unit_vector):
    with pytest.raises(ConfigurationError, match="images-other, the model needs"):
        foreign_index.search(VectorQuery(unit_vector(0), 1))


@pytest.mark.parametrize("foreign_index", ["dimension"], indirect=True)
def test_another_dimension_is_not_searched(foreign_index):
    with pytest.raises(ConfigurationError, match="dimension 4, the model needs 8"):
        foreign_index.search(VectorQuery(np.ones(8, np.float32), 1))


def test_it_is_not_listed(foreign_index):
    with pytest.raises(ConfigurationError, match="the model needs"):
        foreign_index.list_documents(limit=1)
