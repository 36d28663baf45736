"""A model hub, a bucket, and an emulation of CloudFormation that invokes the function."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest

from functions.fetch_model import cloudformation as responses
from functions.fetch_model.cloudformation import ResponseSender
from functions.fetch_model.handler import make_handler
from imagesearch.adapters.s3.client import client_config
from imagesearch.downloads.model_source import ModelSource
from imagesearch.downloads.model_store import S3ModelStore, SelfTest
from imagesearch.embedding.model_catalog import CatalogEntry
from tests.integration.conftest import NOBODY
from tests.support.aws.cloud import REGION
from tests.support.aws.cloudformation import CloudFormation
from tests.support.models.tiny_model import known, unsigned_graph
from tests.support.servers.file_server import FileServer
from tests.support.waiting import PATIENCE_SECONDS

BUCKET = "imagesearch-models"
Keys = Callable[[], list[str]]


@pytest.fixture
def hub() -> Iterator[FileServer]:
    made = FileServer()
    made.files = {"/image.onnx": unsigned_graph(), "/text.onnx": b"text", "/tokenizer.json": b"{}"}
    with made.running():
        yield made


@pytest.fixture
def models(hub: FileServer) -> dict[str, CatalogEntry]:
    """Small models with the names of the event files."""
    names = ("clip-vit-b-32", "multilingual-clip-vit-b-32")
    small = known(hub)
    return {
        name: small.model_copy(update={"manifest": small.manifest | {"name": name}})
        for name in names
    }


@pytest.fixture
def s3(aws: str) -> Any:
    """A client for an account with one empty bucket."""
    httpx.post(f"{aws}/moto-api/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    more = {"region_name": REGION, "endpoint_url": aws, **NOBODY}
    client = boto3.client("s3", config=client_config(), **more)
    location = {"LocationConstraint": REGION}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
    return client


@pytest.fixture
def used_s3(s3: Any) -> Any:
    """The client that the function uses."""
    return s3


@pytest.fixture
def keys(s3: Any) -> Keys:
    """The keys in the bucket."""

    def keys() -> list[str]:
        found = s3.list_objects_v2(Bucket=BUCKET)
        return [each["Key"] for each in found.get("Contents", ())]

    return keys


@pytest.fixture
def self_test() -> SelfTest | None:
    """No test, because the graphs of these models are not real."""
    return None


@pytest.fixture
def open_store(
    used_s3: Any, models: dict[str, CatalogEntry], self_test: SelfTest | None
) -> Callable[[str, str, str], S3ModelStore]:
    """Opens a store with the models of this test, without pauses between attempts."""

    def open_store(bucket: str, prefix: str, source: str) -> S3ModelStore:
        return S3ModelStore(
            bucket,
            prefix,
            used_s3,
            models.__getitem__,
            lambda deadline, _: deadline.check(),
            self_test,
            ModelSource(source),
        )

    return open_store


@pytest.fixture
def cloudformation(
    open_store: Any, logger: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudFormation]:
    monkeypatch.setattr(responses, "READ_SECONDS", PATIENCE_SECONDS)
    handler = make_handler(open_store, ResponseSender(lambda _: None), logger)
    with CloudFormation(handler).running() as running:
        yield running
