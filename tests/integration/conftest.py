"""The components as deployed, over a local emulation of AWS (moto)."""

import io
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport
from functions.index_images.handler import make_handler as make_index_handler
from functions.search.handler import make_handler as make_search_handler
from functions.search.request_log import RequestLog
from functions.search.routing import Dependencies
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.adapters.s3.bucket_changes import S3Changes
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.ports import VectorIndex
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import Manifest, load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.feedback import Feedback
from imagesearch.indexing.indexer import Indexer
from imagesearch.search.previews import Previews
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.uploads import Permissions, UploadService
from tests.support.aws.cloud import BUCKET, DERIVED, REGION, Cloud, Queue
from tests.support.handlers import CONTEXT
from tests.support.models.encoders import CountingEncoder
from tests.support.paths import REPOSITORY
from tests.support.servers.moto_server import moto_server
from tests.support.waiting import PATIENCE_SECONDS

ROOT = REPOSITORY
MODEL = ROOT / "layers/starter_model/starter_model"
NOBODY = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    return lambda name: (ROOT / "samples" / f"{name}.webp").read_bytes()


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return load_manifest(MODEL)


@pytest.fixture(scope="session")
def onnx_images(manifest) -> Iterator[OnnxImageEncoder]:
    encoder = OnnxImageEncoder(MODEL, manifest)
    yield encoder
    encoder.close()


@pytest.fixture(scope="session")
def texts(manifest) -> OnnxTextEncoder:
    return OnnxTextEncoder(MODEL, manifest)


@pytest.fixture
def images(onnx_images) -> CountingEncoder:
    return CountingEncoder(onnx_images)


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The URL of a moto server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def sqs(aws) -> Any:
    return boto3.client("sqs", region_name=REGION, endpoint_url=aws, **NOBODY)


@pytest.fixture
def cloud(aws, sqs) -> Cloud:
    """An account with one empty bucket."""
    httpx.post(f"{aws}/moto-api/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    more = {"region_name": REGION, "endpoint_url": aws, **NOBODY}
    s3 = boto3.client("s3", config=client_config(), **more)
    return Cloud(s3, sqs, boto3.client("events", **more))


@pytest.fixture(params=["s3", "eventbridge"])
def queue(request, cloud) -> Queue:
    """A queue that gets the bucket's changes, by each kind of notification."""
    return cloud.queue(request.param)


@pytest.fixture
def embedded_index(manifest, tmp_path) -> Iterator[VectorIndex]:
    index = SqliteIndex(tmp_path / "index.db", "images-test", manifest.dimension)
    yield index
    index.close()


@pytest.fixture
def label_index(manifest, tmp_path) -> Iterator[VectorIndex]:
    index = SqliteIndex(tmp_path / "labels.db", "labels-test", manifest.dimension)
    yield index
    index.close()


@pytest.fixture
def opensearch_index(manifest, opensearch_url) -> Iterator[VectorIndex]:
    name = f"images-{uuid.uuid4().hex}"
    index = OpenSearchIndex(
        opensearch_url,
        name,
        manifest.dimension,
        model=manifest.name,
        settings=IndexSettings(refresh_interval="100ms"),
    )
    yield index
    index.drop()
    index.close()


@pytest.fixture
def index(embedded_index) -> VectorIndex:
    """Tests of the pipeline use the real server instead."""
    return embedded_index


@pytest.fixture
def store(cloud) -> S3Store:
    return S3Store(BUCKET, cloud.s3)


@pytest.fixture
def logs() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(logs) -> Logger:
    return Logger(service=uuid.uuid4().hex, stream=logs)


@pytest.fixture
def metrics() -> EphemeralMetrics:
    return EphemeralMetrics(namespace="imagesearch", service="test")


@pytest.fixture
def indexer(store, index, images, derived) -> Indexer:
    return Indexer(store, index, images, derived=derived)


@pytest.fixture
def index_images(indexer, logger, metrics) -> Callable[[Any], dict[str, Any]]:
    handler = make_index_handler(indexer, BUCKET, logger, BatchReport(logger, metrics))
    return lambda event: handler(event, CONTEXT)


@pytest.fixture
def derived(cloud) -> S3Derived:
    where = {"LocationConstraint": REGION}
    cloud.s3.create_bucket(Bucket=DERIVED, CreateBucketConfiguration=where)
    return S3Derived(f"s3://{DERIVED}", cloud.s3)


@pytest.fixture
def uploads(store, index, cloud, derived) -> UploadService:
    allowed = Permissions(uploads=True, deletions=True)
    return UploadService(store, index, S3Changes(cloud.s3), derived, allowed)


@pytest.fixture
def parts(index, label_index, texts, images, store, derived, uploads, manifest) -> Dependencies:
    ids = SearchIds(manifest.name, derived)
    searcher = Searcher(index, texts, images, ids=ids)
    labels = LabelEncoder(texts, manifest.prompts)
    sets = LabelSets(lambda: label_index, labels)
    classifier = Classifier(QueryEncoder(index, texts, images), labels, sets)
    feedback = Feedback(index, derived, ids, manifest.image_space)
    return Dependencies(
        searcher,
        store,
        None,
        derived,
        uploads,
        previews=Previews(index, store, images),
        classifier=classifier,
        label_sets=sets,
        feedback=feedback,
        duplicate_groups=DuplicateFinder(index),
        duplicate_check=DuplicateChecker(index, images, manifest.duplicates.weights),
    )


@pytest.fixture
def search(parts, logger, metrics) -> Callable[[Any], dict[str, Any]]:
    handler = make_search_handler(parts, RequestLog(logger, metrics))
    return lambda event: handler(event, CONTEXT)
