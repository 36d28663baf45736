"""Claims about the whole chain: bucket → queue → index_images → OpenSearch ← search."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.cloud import eventually
from tests.support.waiting import PATIENCE_SECONDS

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def index(opensearch_index):
    return opensearch_index


@pytest.fixture
def ask(search) -> Callable[..., dict]:
    """The JSON that the API answers to a GET."""
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
    """The keys that a search in words finds."""
    return lambda q: [hit["key"] for hit in ask("/v1/search", q=q, limit="100")["hits"]]


@pytest.fixture
def work(queue, index_images) -> Callable[[], None]:
    return lambda: queue.drain(index_images)


KEYS = ["plain.webp", "a folder/with spaces.webp", "más/50% + 1 🐼.webp", "no-extension"]


def test_an_image_in_the_bucket_can_be_found_by_words(cloud, work, found, sample):
    for key in KEYS:
        cloud.put(key, sample("animals/giant-panda"))
    work()
    assert eventually(lambda: sorted(found("a panda")) == sorted(KEYS))


def test_the_words_that_fit_come_first(cloud, work, found, sample):
    for name in ("animals/giant-panda", "objects/claw-hammer", "landmarks/eiffel-tower"):
        cloud.put(f"{name}.webp", sample(name))
    work()
    assert eventually(lambda: len(found("a tower in Paris")) == 3)
    assert found("a tower in Paris")[0] == "landmarks/eiffel-tower.webp"
    assert found("a hammer")[0] == "objects/claw-hammer.webp"


def test_an_overwritten_image_is_found_as_what_it_is_now(cloud, work, found, ask, sample):
    cloud.put("a.webp", sample("animals/giant-panda"))
    cloud.put("b.webp", sample("animals/owl"))
    work()
    cloud.put("a.webp", sample("objects/claw-hammer"))
    work()
    assert eventually(lambda: found("a hammer") == ["a.webp", "b.webp"])
    assert eventually(lambda: found("a panda") == ["b.webp", "a.webp"])


def test_a_deleted_image_is_found_no_more(cloud, work, found, sample):
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])
    cloud.delete("a.webp")
    work()
    assert eventually(lambda: found("a panda") == [])


def test_an_image_that_was_deleted_and_put_back_is_found(cloud, work, found, sample):
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


def test_new_metadata_is_answered_and_nothing_is_embedded_again(
    cloud, work, found, ask, images, sample
):
    cloud.put("a.webp", sample("animals/giant-panda"), label="bear")
    work()
    assert images.images == 1
    cloud.copy_onto_itself("a.webp", label="panda", zoo="Berlin")
    work()

    def metadata() -> dict:
        return [hit["metadata"] for hit in ask("/v1/search", q="a panda")["hits"]]

    assert eventually(lambda: metadata() == [{"label": "panda", "zoo": "Berlin"}])
    assert images.images == 1


def test_what_is_no_image_is_passed_over(cloud, work, found, ask, sample):
    cloud.put("notes.txt", b"a panda, in words")
    cloud.put("a.webp", sample("animals/giant-panda"))
    work()
    assert eventually(lambda: found("a panda") == ["a.webp"])
    assert [image["key"] for image in ask("/v1/images")["images"]] == ["a.webp"]


def test_an_address_in_an_answer_leads_to_the_image(cloud, work, ask, found, sample):
    cloud.put("más/a b.webp", sample("animals/owl"))
    work()
    assert eventually(lambda: len(found("an owl")) == 1)
    [hit] = ask("/v1/search", q="an owl")["hits"]
    assert httpx.get(hit["url"], timeout=PATIENCE_SECONDS).content == sample("animals/owl")
