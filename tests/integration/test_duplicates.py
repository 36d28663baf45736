"""Claims: copies are linked across index and queue, in any order of indexing."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from PIL import Image, ImageOps

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.opensearch.client import OpenSearchClient
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqs import SqsRecheckQueue
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.duplicates.linker import Linker
from imagesearch.indexing.indexer import Indexer
from tests.support.aws.cloud import BUCKET, Queue, event_of
from tests.support.handlers import CONTEXT

WORKERS = 2


class Clock:
    """The clock of the linker, which only `settle` advances."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def index(manifest, opensearch_url, opensearch_index):
    """The real server; writes of this test are not searchable yet."""
    index = OpenSearchIndex(
        opensearch_url,
        opensearch_index.health().name,
        manifest.dimension,
        model=manifest.name,
        settling_margin=timedelta(hours=1),
    )
    yield index
    index.close()


@pytest.fixture
def settle(opensearch_url, index, clock):
    """Makes all writes searchable, and advances the clock by the delay."""

    def settle():
        with closing(OpenSearchClient(opensearch_url)) as client:
            client.raw.indices.refresh(index=index.health().name)
        clock.ahead += index.visibility_delay

    return settle


@pytest.fixture
def recheck_queue(cloud, sqs):
    """The recheck queue of the function."""
    return Queue(sqs)


@pytest.fixture
def worker(store, index, images, manifest, sqs, recheck_queue, logger, metrics, clock):
    """Another instance of the indexing function."""

    def worker(rechecks=None):
        rechecks = rechecks or ImmediateQueue(SqsRecheckQueue(recheck_queue.url, sqs))
        linker = Linker(index, manifest.duplicates.weights, rechecks, clock)
        indexer = Indexer(store, index, images, linker=linker)
        handler = make_handler(indexer, BUCKET, logger, BatchReport(logger, metrics))
        return lambda event: handler(event, CONTEXT)

    return worker


class ImmediateQueue:
    """The recheck queue without its delay."""

    def __init__(self, recheck_queue):
        self._recheck_queue = recheck_queue

    def schedule(self, refs, after):
        assert after > timedelta()
        self._recheck_queue.schedule(refs, timedelta())


class StoppingQueue:
    """Stops the function before it schedules a recheck."""

    def schedule(self, refs, after):
        raise KeyboardInterrupt


def edited(photo: bytes) -> bytes:
    """The photo mirrored, cropped and recompressed."""
    picture, file = ImageOps.mirror(Image.open(io.BytesIO(photo)).convert("RGB")), io.BytesIO()
    width, height = picture.size
    picture.crop((width // 20, height // 20, width, height)).save(file, "JPEG", quality=70)
    return file.getvalue()


def groups(index):
    """The sorted keys of each group; the order of a group follows times, which can be equal."""
    return [
        sorted(document.ref.key for document in group.documents)
        for group in DuplicateFinder(index).page().groups
    ]


def test_copies_indexed_concurrently_are_linked(
    cloud, sample, worker, index, recheck_queue, settle
):
    owl = sample("animals/owl")
    cloud.put("owl.webp", owl)
    cloud.put("stolen.jpg", edited(owl))
    cloud.put("panda.webp", sample("animals/giant-panda"))
    together = Barrier(WORKERS)

    def take(key):
        handler, message = worker(), {"bucket": BUCKET, "keys": [key]}
        together.wait()
        return handler(event_of([fake_message(message)]))

    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(take, ["owl.webp", "stolen.jpg"]))
    assert answers == [{"batchItemFailures": []}] * WORKERS
    worker()(event_of([fake_message({"bucket": BUCKET, "keys": ["panda.webp"]})]))

    settle()
    recheck_queue.drain(worker())
    settle()
    assert groups(index) == [["owl.webp", "stolen.jpg"]]
    assert recheck_queue.is_empty()
    assert recheck_queue.dead() == []


def test_a_worker_that_stops_before_scheduling_a_recheck_loses_no_link(
    cloud, sample, worker, index, recheck_queue, settle
):
    cloud.put("owl.webp", sample("animals/owl"))
    cloud.put("copy.webp", sample("animals/owl"))
    event = event_of([fake_message({"bucket": BUCKET, "keys": ["owl.webp", "copy.webp"]})])
    with pytest.raises(KeyboardInterrupt):
        worker(StoppingQueue())(event)
    assert recheck_queue.is_empty()
    assert worker()(event) == {"batchItemFailures": []}

    settle()
    recheck_queue.drain(worker())
    settle()
    assert groups(index) == [["copy.webp", "owl.webp"]]


def test_an_unavailable_queue_returns_the_event(cloud, sample, worker, sqs):
    cloud.put("owl.webp", sample("animals/owl"))
    gone = SqsRecheckQueue(f"{sqs.meta.endpoint_url}/123456789012/no-such-queue", sqs)
    message = fake_message({"bucket": BUCKET, "keys": ["owl.webp"]})
    answer = worker(gone)(event_of([message]))
    assert answer == {"batchItemFailures": [{"itemIdentifier": message["MessageId"]}]}


def fake_message(body):
    return {"MessageId": "1", "ReceiptHandle": "1", "Body": json.dumps(body), "MD5OfBody": ""}
