"""Claims: exactly the messages that failed return to the queue."""

import io
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from hypothesis import given, settings

from functions.index_images.handler import BatchReport, RetryEvent, make_handler
from imagesearch.domain.images import ImageRef
from tests.support.fakes import BUCKET, picture, ref
from tests.support.faults import FAULTS, FaultyBucket
from tests.support.handlers import CONTEXT, in_queue


def created(key: str, bucket: str = BUCKET) -> dict:
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }


def returned_ids(answer: dict) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_successful_batch_leaves_no_message_in_the_queue(index_images, store, index):
    store.put("a.png", picture("a"))
    assert index_images(in_queue(created("a.png"), created("gone.png"))) == {
        "batchItemFailures": []
    }
    assert index.keys() == ["a.png"]


def test_all_images_of_a_batch_are_embedded_together(index_images, store, images):
    for key in ("a.png", "b.png", "c.png"):
        store.put(key, picture(key))
    index_images(in_queue(created("a.png"), created("b.png"), created("c.png")))
    assert [len(batch) for batch in images.batches] == [3]


def test_only_the_invalid_message_returns(index_images, store, index):
    store.put("a.png", picture("a"))
    batch = in_queue("garbage", created("a.png"), created("b.png", bucket="another"))
    assert returned_ids(index_images(batch)) == ["0", "2"]
    assert index.keys() == ["a.png"]


def test_only_the_message_of_the_failed_image_returns(index_images, store):
    store.put("a.png", picture("a"))
    store.unavailable.add("b.png")
    assert returned_ids(index_images(in_queue(created("a.png"), created("b.png")))) == ["1"]


def test_every_message_of_a_failed_image_returns(index_images, store):
    store.unavailable.add("a.png")
    assert returned_ids(index_images(in_queue(created("a.png"), created("a.png")))) == ["0", "1"]


def test_the_message_of_a_rejected_image_is_deleted(index_images, store):
    store.put("a.png", picture("broken"))
    assert returned_ids(index_images(in_queue(created("a.png")))) == []


def test_an_unavailable_index_returns_the_whole_batch(index_images, index):
    index.unavailable = True
    assert returned_ids(index_images(in_queue(created("a.png"), created("b.png")))) == ["0", "1"]


class Broken:
    def process(self, _: list[ImageRef]) -> None:
        raise RuntimeError("a bug")


@pytest.fixture
def broken(logger, metrics):
    handler = make_handler(Broken(), BUCKET, logger, BatchReport(logger, metrics))
    return lambda event: handler(event, CONTEXT)


def test_a_bug_returns_every_message_with_an_image_and_is_logged(broken, logs):
    greeting = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
    batch = in_queue(created("a.png"), greeting, created("b.png"))
    assert returned_ids(broken(batch)) == ["0", "2"]
    [line] = logs.of("batch failed: processing its images one by one")
    assert "a bug" in line["exception"]


class BrokenFor(Broken):
    """An indexer that raises an exception for batches with a given image."""

    def __init__(self, indexer, key: str) -> None:
        self._indexer = indexer
        self._key = key

    def process(self, refs):
        if any(ref.key == self._key for ref in refs):
            raise SystemError("a bug")
        return self._indexer.process(refs)


def test_an_image_that_crashes_the_indexer_returns_only_its_message(
    indexer, store, index, logger, metrics, logs
):
    for key in ("a.png", "b.png", "c.png"):
        store.put(key, picture(key))
    broken = BrokenFor(indexer, "b.png")
    handler = make_handler(broken, BUCKET, logger, BatchReport(logger, metrics))
    batch = in_queue(created("a.png"), created("b.png"), created("c.png"))
    assert returned_ids(handler(batch, CONTEXT)) == ["1"]
    assert index.keys() == ["a.png", "c.png"]
    [line] = logs.of("image failed")
    assert (line["id"], line["reason"]) == (ref("b.png").id, "internal error: SystemError")


@settings(max_examples=50, derandomize=True, deadline=None)
@given(FAULTS)
def test_exactly_the_messages_of_faulty_images_return(faults):
    faulty_bucket = FaultyBucket(faults)
    service = uuid4().hex
    logger = Logger(service=service, stream=io.StringIO())
    report = BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service=service))
    handler = make_handler(faulty_bucket.indexer, BUCKET, logger, report)
    answer = handler(in_queue(*map(created, faulty_bucket.keys)), CONTEXT)
    faulty = [
        n for n, key in enumerate(faulty_bucket.keys) if key not in faulty_bucket.without_faults
    ]
    assert returned_ids(answer) == [str(n) for n in faulty]
    assert set(faulty_bucket.without_faults) <= set(faulty_bucket.index.keys())


def test_a_successful_direct_event_returns(index_images, store, index):
    store.put("a.png", picture("a"))
    index_images(created("a.png"))
    assert index.keys() == ["a.png"]


def test_a_direct_event_that_fails_raises_after_the_work(index_images, store, index):
    store.put("a.png", picture("a"))
    store.unavailable.add("b.png")
    records = [
        {"eventSource": "aws:s3", "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
        for key in ("a.png", "b.png")
    ]
    with pytest.raises(RetryEvent):
        index_images({"Records": records})
    assert index.keys() == ["a.png"]


@pytest.mark.parametrize("event", [None, {}, "text", created("a.png", bucket="another")])
def test_an_invalid_direct_event_raises(index_images, event):
    with pytest.raises(RetryEvent):
        index_images(event)


def test_an_empty_batch_succeeds(index_images):
    assert index_images({"Records": []}) == {"batchItemFailures": []}


def test_a_batch_is_logged_in_one_line(index_images, store, logs):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("broken"))
    index_images(in_queue(created("a.png"), created("b.png"), "garbage"))
    [line] = logs.of("batch")
    assert line["images"] == {"indexed": 1, "rejected": 1}
    assert (line["messages"], line["failed_messages"]) == (3, 1)
    assert line["request_id"] == "request-1"
    assert line["ms"] >= 0


def test_a_rejected_image_is_logged_by_its_id_and_reason(index_images, store, logs):
    store.put("my secret.png", picture("broken"))
    index_images(in_queue(created("my secret.png")))
    [line] = logs.of("image rejected")
    assert (line["id"], line["reason"]) == (ref("my secret.png").id, "cannot be decoded")
    assert "secret" not in logs


def test_the_key_of_a_failed_image_is_not_logged_even_as_part_of_its_reason(
    index_images, store, logs
):
    store.unavailable.add("my secret.png")
    index_images(in_queue(created("my secret.png")))
    [line] = logs.of("image failed")
    assert line["reason"] == f"cannot read {ref('my secret.png').id}"
    assert "secret" not in logs


@pytest.mark.parametrize("level", ["DEBUG"])
def test_keys_are_logged_at_debug_level(index_images, store, logs):
    store.put("a.png", picture("a"))
    index_images(in_queue(created("a.png")))
    assert logs.of("image")[0]["key"] == "a.png"


def test_outcomes_and_duration_are_counted(index_images, store, emitted):
    store.put("a.png", picture("a"))
    for _ in range(2):
        index_images(in_queue(created("a.png"), "garbage"))
    first, second = emitted()
    assert first["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "imagesearch"
    assert (first["Indexed"], first["Unchanged"]) == ([1.0], [0.0])
    assert (second["Indexed"], second["Unchanged"]) == ([0.0], [1.0])
    assert second["FailedMessages"] == [1.0]
    assert second["BatchDuration"][0] > 0
