"""An index that holds vectors of another space is neither written nor read."""

import numpy as np
import pytest

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.queries import VectorQuery


@pytest.fixture(params=["space", "dimension"])
def stranger(request, opensearch_url, raw_opensearch, connect, index_name, put):
    """An index over another's: its vectors have the same name, and another space or dimension."""
    connect(opensearch_url).write([put()])
    if request.param == "dimension":
        return connect(opensearch_url, dimension=8)
    meta = {"_meta": {"space": "images-other", "dimension": 4}}
    raw_opensearch.indices.put_mapping(index=index_name, body=meta)
    return connect(opensearch_url)


def test_it_is_not_written(stranger, put):
    with pytest.raises(ConfigurationError, match="the model needs"):
        stranger.write([put("b")])


@pytest.mark.parametrize("stranger", ["space"], indirect=True)
def test_another_space_is_not_searched(stranger, towards):
    with pytest.raises(ConfigurationError, match="images-other, the model needs"):
        stranger.search(VectorQuery(towards(0), 1))


@pytest.mark.parametrize("stranger", ["dimension"], indirect=True)
def test_another_dimension_is_not_searched(stranger):
    with pytest.raises(ConfigurationError, match="dimension 4, the model needs 8"):
        stranger.search(VectorQuery(np.ones(8, np.float32), 1))


def test_it_is_not_listed(stranger):
    with pytest.raises(ConfigurationError, match="the model needs"):
        stranger.list_documents(status=None, collection=None, after=None, limit=1)
