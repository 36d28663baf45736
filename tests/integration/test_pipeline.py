"""Claims about the pipeline: bucket → queue → index_images → OpenSearch ← search.

Events may repeat, arrive out of order, fail and race; the index ends consistent with the bucket.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.domain.images import ImageRef, Status
from imagesearch.domain.queries import Selection
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import OutcomeKind
from tests.support.aws.cloud import BUCKET, event_of, eventually
from tests.support.handlers import CONTEXT
from tests.support.paths import EVENTS
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def index(opensearch_index):
    return opensearch_index


@pytest.fixture
def ask(search) -> Callable[..., dict]:
    """The JSON response of a GET request."""
    template = json.loads((EVENTS / "api-search-get.json").read_text())

    def ask(path: str, **query: str) -> dict:
        event = template | {
            "path": path,
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in query.items()},
        }
        answer = search(event)
        assert answer["statusCode"] == 200, answer["body"]
        return json.loads(answer["body"])

    return ask


@pytest.fixture
def found(ask) -> Callable[[str], list[str]]:
    """The keys that a text search finds."""
    return lambda q: [hit["key"] for hit in ask("/v1/search", q=q, limit="100")["hits"]]


@pytest.fixture
def work(queue, index_images) -> Callable[[], None]:
    return lambda: queue.drain(index_images)


KEYS = ["plain.webp", "a folder/with spaces.webp", "más/50% + 1 🐼.webp", "no-extension"]


def test_an_image_in_the_bucket_is_found_by_text(cloud, work, found, sample):
    for key in KEYS:
        cloud.put(key, sample("animals/giant-panda"))
    work()
    assert eventually(lambda: sorted(found("a panda")) == sorted(KEYS))


def test_the_best_matching_image_comes_first(cloud, work, found, sample):
    for name in ("animals/giant-panda", "objects/claw-hammer", "landmarks/eiffel-tower"):
        cloud.put(f"{name}.webp", sample(name))
    work()
    assert eventually(lambda: len(found("a tower in Paris")) == 3)
    assert found("a tower in Paris")[0] == "landmarks/eiffel-tower.webp"
    assert found("a hammer")[0] == "objects/claw-hammer.webp"


def test_an_overwritten_image_is_found_by_its_new_content(cloud, work, found, ask, sample):
    cloud.put("a.webp", sample("animals/giant-panda"))
    cloud.put("b.webp", sample("animals/owl"))
    work()
    cloud.put("a.webp", sample("objects/claw-hammer"))
    work()
    assert eventually(lambda: found("a hammer") == ["a.webp", "b.webp"])
    assert eventually(lambda: found("a panda") == ["b.webp", "a.webp"])


def test_a_deleted_image_is_no_longer_found(cloud, work, found, sample):
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])
    cloud.delete("a.webp")
    work()
    assert eventually(lambda: found("a panda") == [])


def test_an_image_that_was_deleted_and_uploaded_again_is_found(cloud, work, found, sample):
    for _ in range(2):
        cloud.put("a.webp", sample("animals/giant-panda"))
        work()
        cloud.delete("a.webp")
        work()
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])


def test_an_unreadable_image_is_listed_with_its_reason_and_not_found(
    cloud, work, found, ask, sample
):
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])
    cloud.put("a.webp", sample("animals/giant-panda")[:2_000])
    work()
    assert eventually(lambda: found("a panda") == [])
    [image] = ask("/v1/images", status="rejected")["images"]
    assert image["key"] == "a.webp"
    assert image["reason"]
    assert image["decoder"]


def test_new_metadata_is_returned_without_embedding_again(cloud, work, found, ask, images, sample):
    cloud.put("a.webp", sample("animals/giant-panda"), label="bear")
    work()
    assert images.images == 1
    cloud.copy_onto_itself("a.webp", label="panda", zoo="Berlin")
    work()

    def metadata() -> dict:
        return [hit["metadata"] for hit in ask("/v1/search", q="a panda")["hits"]]

    assert eventually(lambda: metadata() == [{"label": "panda", "zoo": "Berlin"}])
    assert images.images == 1


def test_objects_that_are_not_images_are_skipped(cloud, work, found, ask, sample):
    cloud.put("notes.txt", b"a panda, in words")
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])
    assert [image["key"] for image in ask("/v1/images")["images"]] == ["a.webp"]


def test_a_url_in_a_response_leads_to_the_image(cloud, work, ask, found, sample):
    cloud.put("más/a b.webp", sample("animals/owl"))
    work()
    assert eventually(lambda: len(found("an owl")) == 1)
    [hit] = ask("/v1/search", q="an owl")["hits"]
    assert httpx.get(hit["url"], timeout=PATIENCE_SECONDS).content == sample("animals/owl")


RACES = 10


def keys(index, status: Status = Status.INDEXED) -> list[str]:
    documents = index.list_documents(Selection(status), limit=100)
    return [document.ref.key for document in documents]


def test_a_repeated_event_embeds_once(cloud, queue, index_images, images, sample):
    cloud.put("a.webp", sample("animals/owl"))
    messages = queue.receive()
    for _ in range(2):
        assert index_images(event_of(messages)) == {"batchItemFailures": []}
    assert images.images == 1


def test_swapped_events_result_in_the_state_of_the_bucket(
    cloud, queue, index_images, index, sample
):
    cloud.put("a.webp", sample("animals/owl"))
    cloud.delete("a.webp")
    cloud.put("b.webp", sample("animals/owl"))
    cloud.delete("b.webp")
    cloud.put("b.webp", sample("animals/cow"))
    for message in reversed(queue.receive()):
        index_images(event_of([message]))
    assert eventually(lambda: keys(index) == ["b.webp"])


def test_a_lost_event_is_compensated_by_the_next(cloud, queue, index_images, index, sample):
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(lambda event: {"batchItemFailures": []})
    cloud.copy_onto_itself("a.webp", label="owl")
    queue.drain(index_images)
    assert eventually(lambda: keys(index) == ["a.webp"])


def test_a_poison_message_reaches_the_dead_letter_queue_and_blocks_no_other(
    cloud, queue, index_images, index, sample
):
    queue.send("poison")
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(index_images)
    assert eventually(lambda: queue.dead() == ["poison"])
    assert eventually(lambda: keys(index) == ["a.webp"])


def test_a_message_that_fails_temporarily_is_processed_when_retried(
    cloud, queue, store, images, index, logger, metrics, sample
):
    """The index is unavailable for two deliveries; a third is within the queue's limit."""
    deliveries = []

    class UnavailableTwice:
        def process(self, refs):
            deliveries.append(refs)
            if len(deliveries) < 3:
                raise ConnectionError("unavailable")
            return Indexer(store, index, images).process(refs)

    handler = make_handler(UnavailableTwice(), BUCKET, logger, BatchReport(logger, metrics))
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(lambda event: handler(event, CONTEXT))
    assert len(deliveries) == 3
    assert eventually(lambda: keys(index) == ["a.webp"])
    assert queue.dead() == []


@pytest.fixture(params=["embedded", "opensearch"])
def raced_index(request):
    return request.getfixturevalue(f"{request.param}_index")


@pytest.mark.parametrize("last", ["animals/cow", None], ids=["overwritten", "deleted"])
def test_two_workers_on_one_key_result_in_the_state_of_the_bucket(
    cloud, store, onnx_images, raced_index, sample, last
):
    """Both read the object while it changes, and again at its last event."""
    workers = [Indexer(store, raced_index, onnx_images) for _ in range(2)]
    ref = ImageRef(BUCKET, "a.webp")
    [cow] = onnx_images.encode_images([sample("animals/cow")])

    def race(change: Callable[[], object]) -> None:
        start = Barrier(3)

        def work(indexer: Indexer) -> OutcomeKind:
            start.wait()
            [outcome] = indexer.process([ref])
            return outcome.kind

        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(work, worker) for worker in workers]
            start.wait()
            change()
        if OutcomeKind.FAILED in [end.result() for end in ends]:
            workers[0].process([ref])  # as the queue would deliver it again

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
