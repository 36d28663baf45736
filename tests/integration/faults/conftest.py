"""The indexing function with a failing cluster, and a bucket to compare the index with."""

import io
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.opensearch.client import OpenSearchClient
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.domain.images import Status
from imagesearch.indexing.indexer import Indexer, Limits
from local.opensearch.install import CannotStart
from local.opensearch.server import SHORT_LIVED, OpenSearchServer
from tests.support.aws.cloud import BUCKET, Handler, Queue
from tests.support.aws.lambda_service import LambdaService
from tests.support.handlers import CONTEXT
from tests.support.images.fault_images import IMAGES_OF_A_BULK, bucket_state
from tests.support.models.encoders import DIMENSION, DigestEncoder, vector_of
from tests.support.paths import server_parent

# Together longer than any fault here, like the hour that the template allows.
AGAIN_SECONDS = 3
# A cluster takes most of the CPU while it starts. Each retry reads the states of all objects.
START_AGAIN_SECONDS = 10
RECEIVES = 1_000
PATIENCE_SECONDS = 0.3
WORKERS = 2


@pytest.fixture(scope="module")
def own_server() -> Iterator[OpenSearchServer]:
    """A server that tests can stop; files and URL persist."""
    with tempfile.TemporaryDirectory(prefix="imagesearch-faults-", dir=server_parent()) as folder:
        server = OpenSearchServer(Path(folder), java_options=SHORT_LIVED)
        yield server
        server.stop()


@pytest.fixture
def start(own_server) -> Callable[[], None]:
    """Starts the server if it is stopped; without one, tests are skipped except in CI."""

    def start_it() -> None:
        try:
            if not own_server.runs:
                own_server.start()
        except CannotStart as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))

    return start_it


@pytest.fixture
def subscribe(cloud) -> Callable[..., Queue]:
    """Creates a queue for subsequent changes of the bucket."""
    return partial(cloud.queue, "eventbridge", again=AGAIN_SECONDS, receives=RECEIVES)


@pytest.fixture
def index_name() -> str:
    return f"images-{uuid.uuid4().hex}"


@pytest.fixture
def function(store, index_name) -> Iterator[Callable[[str], Handler]]:
    """Creates the indexing function for an index at a URL, with short timeouts."""
    with ExitStack() as stack:

        def make(url: str) -> Handler:
            index = OpenSearchIndex(
                url, index_name, DIMENSION, model="digest", patience=PATIENCE_SECONDS
            )
            stack.callback(index.close)
            indexer = Indexer(store, index, DigestEncoder(), Limits(batch_images=IMAGES_OF_A_BULK))
            logger = Logger(service=uuid.uuid4().hex, stream=io.StringIO())
            metrics = EphemeralMetrics(namespace="imagesearch", service="test")
            handler = make_handler(indexer, BUCKET, logger, BatchReport(logger, metrics))
            return lambda event: handler(event, CONTEXT)

        yield make


@pytest.fixture
def running_functions(function) -> Callable[[Queue, str], LambdaService]:
    """Runs functions on a queue, for an index at a URL."""
    return lambda queue, url: LambdaService(queue, [function(url) for _ in range(WORKERS)])


@pytest.fixture
def assert_consistent(cloud, index_name) -> Callable[[str], None]:
    """Asserts that the index at a URL is consistent with the bucket."""

    def compare(url: str) -> None:
        with closing(OpenSearchClient(url)) as client:
            client.raw.indices.refresh(index=index_name)
        with closing(OpenSearchIndex(url, index_name, DIMENSION, model="digest")) as index:
            found = {each.document.ref.key: each for each in index.scan(embeddings=True)}
        wanted = bucket_state(cloud)
        actual = {(key, one.document.etag, one.document.status) for key, one in found.items()}
        assert actual == {(key, etag, status) for key, (etag, status, _) in wanted.items()}
        for key, (_, status, data) in wanted.items():
            if status is Status.INDEXED:
                assert np.dot(found[key].embedding, vector_of(data)) > 0.9999, key

    return compare
