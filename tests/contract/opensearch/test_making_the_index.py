"""The OpenSearch index is made before it is written, by whoever comes first, and checked."""

import threading

import pytest

from imagesearch.domain import Delete, WriteStatus
from imagesearch.errors import ConfigurationError


def test_an_index_that_was_deleted_is_made_again(
    opensearch_url, raw_opensearch, connect, index_name, put
):
    index = connect(opensearch_url)
    index.write([put("a")])
    raw_opensearch.indices.delete(index=index_name)
    assert index.health().images == 0
    assert index.write([put("b")])[0].status is WriteStatus.WRITTEN
    raw_opensearch.indices.refresh(index=index_name)
    assert index.health().images == 1


def test_several_may_make_the_index_at_once(opensearch_url, connect, put):
    indexes = [connect(opensearch_url) for _ in range(6)]
    results = []
    threads = [
        threading.Thread(target=lambda n=n, i=i: results.extend(i.write([put(f"{n}")])))
        for n, i in enumerate(indexes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.status for result in results] == ["written"] * 6


def test_an_index_for_another_dimension_is_refused(opensearch_url, connect, put):
    connect(opensearch_url).write([put()])
    with pytest.raises(ConfigurationError, match="dimension 4, the model needs 8"):
        connect(opensearch_url, dimension=8).write([Delete(put("b").ref, None)])


def test_an_index_that_another_program_made_is_refused(
    opensearch_url, raw_opensearch, connect, index_name, put
):
    raw_opensearch.indices.create(index=index_name)
    with pytest.raises(ConfigurationError, match=index_name):
        connect(opensearch_url).write([put()])
