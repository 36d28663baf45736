"""OpenSearch behind a proxy that injects faults."""

import pytest

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.domain.images import Status
from imagesearch.domain.queries import Selection, VectorQuery
from tests.support.servers.opensearch_proxy import opensearch_proxy


@pytest.fixture
def proxy(opensearch_url):
    with opensearch_proxy(opensearch_url) as proxy:
        yield proxy


@pytest.fixture
def connect(index_name):
    """Opens the index of the test at a URL, and closes it after the test."""
    indexes = []

    def open_index(url, dimension=4, **more):
        index = OpenSearchIndex(url, index_name, dimension, model="test", **more)
        indexes.append(index)
        return index

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def readings(put, unit_vector):
    """Every read operation of an index, as functions of the index."""
    return [
        lambda index: index.get([put().ref.id]),
        lambda index: index.embeddings([put().ref.id]),
        lambda index: index.search(VectorQuery(unit_vector(0), 10)),
        lambda index: index.search_many([VectorQuery(unit_vector(0), 10)] * 2),
        lambda index: index.count(),
        lambda index: list(index.scan()),
        lambda index: index.list_documents(Selection(Status.INDEXED), limit=1),
        lambda index: index.health(),
    ]
