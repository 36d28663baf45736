"""Claims: events may repeat, swap, fail and race; the index ends where the bucket does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.domain.images import ImageRef, Status
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import OutcomeKind
from tests.support.cloud import BUCKET, event_of, eventually

RACES = 10


def keys(index, status: Status = Status.INDEXED) -> list[str]:
    documents = index.list_documents(status=status, collection=None, after=None, limit=100)
    return [document.ref.key for document in documents]


def test_the_same_event_twice_embeds_once(cloud, queue, index_images, images, sample):
    cloud.put("a.webp", sample("animals/owl"))
    messages = queue.receive()
    for _ in range(2):
        assert index_images(event_of(messages)) == {"batchItemFailures": []}
    assert images.images == 1


def test_swapped_events_end_in_the_bucket_s_state(cloud, queue, index_images, index, sample):
    cloud.put("a.webp", sample("animals/owl"))
    cloud.delete("a.webp")
    cloud.put("b.webp", sample("animals/owl"))
    cloud.delete("b.webp")
    cloud.put("b.webp", sample("animals/cow"))
    for message in reversed(queue.receive()):
        index_images(event_of([message]))
    assert keys(index) == ["b.webp"]


def test_an_event_that_was_lost_is_made_good_by_the_next(cloud, queue, index_images, index, sample):
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(lambda event: {"batchItemFailures": []})
    cloud.copy_onto_itself("a.webp", label="owl")
    queue.drain(index_images)
    assert keys(index) == ["a.webp"]


def test_a_poisoned_message_reaches_the_dead_letter_queue_and_holds_nobody_up(
    cloud, queue, index_images, index, sample
):
    queue.send("poison")
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(index_images)
    assert eventually(lambda: queue.dead() == ["poison"])
    assert keys(index) == ["a.webp"]


def test_what_fails_for_a_while_is_done_when_it_comes_back(
    cloud, queue, store, images, index, logger, metrics, sample
):
    """The index is away for the first two deliveries; a third is within what the queue allows."""
    deliveries = []

    class Away:
        def look_at(self, refs):
            deliveries.append(refs)
            if len(deliveries) < 3:
                raise ConnectionError("away")
            return Indexer(store, index, images).look_at(refs)

    handler = make_handler(Away(), BUCKET, logger, BatchReport(logger, metrics))
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(lambda event: handler(event, None))
    assert len(deliveries) == 3
    assert keys(index) == ["a.webp"]
    assert queue.dead() == []


@pytest.fixture(params=["embedded", "opensearch"])
def raced_index(request):
    return request.getfixturevalue(f"{request.param}_index")


@pytest.mark.parametrize("last", ["animals/cow", None], ids=["overwritten", "deleted"])
def test_two_workers_on_one_key_end_in_the_bucket_s_state(
    cloud, store, onnx_images, raced_index, sample, last
):
    """Both look while the object changes under them, and again when its last event comes."""
    workers = [Indexer(store, raced_index, onnx_images) for _ in range(2)]
    ref = ImageRef(BUCKET, "a.webp")
    [cow] = onnx_images.encode_images([sample("animals/cow")])

    def race(change: Callable[[], object]) -> None:
        start = Barrier(3)

        def work(indexer: Indexer) -> OutcomeKind:
            start.wait()
            [outcome] = indexer.look_at([ref])
            return outcome.kind

        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(work, worker) for worker in workers]
            start.wait()
            change()
        if OutcomeKind.FAILED in [end.result() for end in ends]:
            workers[0].look_at([ref])  # as the queue would deliver it again

    def change() -> None:
        if last:
            cloud.put("a.webp", sample(last))
        else:
            cloud.delete("a.webp")

    for _ in range(RACES):
        cloud.put("a.webp", sample("animals/owl"))
        race(change)
        race(lambda: None)
        state, stored = store.head(ref), raced_index.get([ref.id])[ref.id]
        assert (stored.document and stored.document.etag) == (state and state.etag)
        if stored.document:
            assert raced_index.embeddings([ref.id])[ref.id] @ cow.embedding > 0.999
