"""Claims: each event file in events/ has the expected response."""

import json
from typing import Any

import pytest

from imagesearch.domain.images import ImageRef, Status
from tests.support.aws.cloud import BUCKET, DERIVED
from tests.support.aws.cloudformation import MODEL_EVENTS
from tests.support.paths import EVENTS

PANDA = "animals/giant-panda.webp"
OWL = "animals/owl.webp"
HOLIDAY = "summer 2024/50% off + más 🐼.webp"

# Contents of the index after an event, with all three images in the bucket and an empty index.
INDEXED = {
    "s3-put-direct": [PANDA],
    "eventbridge-object-created": [PANDA],
    "sqs-eventbridge-created": [HOLIDAY],
    "sqs-s3-put": [HOLIDAY],
    "sqs-test-event": [],
    "sqs-mixed-with-garbage": [PANDA, OWL],
    "sqs-backfill": [PANDA, HOLIDAY],
    "sqs-sns-s3-put": [HOLIDAY],
    "sqs-sns-eventbridge-created": [HOLIDAY],
    "sns-s3-put-direct": [PANDA],
    "sqs-eventbridge-restored": [PANDA],
    "sqs-s3-restored": [PANDA],
}
RESTORED = ["sqs-eventbridge-restored", "sqs-s3-restored"]
# Events that remove the panda from the index after its deletion from the bucket.
DELETES = [
    "s3-delete-direct",
    "eventbridge-object-deleted",
    "sqs-eventbridge-deleted",
    "sqs-s3-delete-marker",
]
ANSWERED = {
    "api-classify-labels": 200,
    "api-classify-vote": 200,
    "api-docs": 200,
    "api-feedback-late": 400,
    "api-duplicates": 200,
    "api-duplicates-check": 200,
    "api-health": 200,
    "api-image": 200,
    "api-image-delete": 202,
    "api-image-upload": 201,
    "api-images-by-time": 200,
    "api-images-list": 200,
    "api-search-batch": 200,
    "api-openapi": 200,
    "api-page": 200,
    "api-search-get": 200,
    "api-search-post-filter": 200,
    "api-search-post-id": 200,
    "api-search-post-image": 200,
    "api-search-post-image-json": 200,
    "api-search-post-terms": 200,
    "api-search-post-text": 200,
    "api-similar": 200,
    "api-unknown-route": 404,
}
# In this order, on a set that does not exist before.
OF_A_LABEL_SET = [
    "api-labelset-put",
    "api-labelset-add",
    "api-labelsets",
    "api-labelset",
    "api-classify-labelset",
    "api-labelset-delete",
]
FOUND_FIRST = {
    "api-search-get": PANDA,
    "api-search-post-text": PANDA,
    "api-search-post-image": OWL,
    "api-search-post-image-json": OWL,
    "api-search-post-filter": PANDA,
    "api-search-post-terms": OWL,
}


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


@pytest.fixture
def bucket(cloud, sample):
    """A bucket of three images."""
    cloud.put(PANDA, sample("animals/giant-panda"), photographer="somebody")
    cloud.put(OWL, sample("animals/owl"))
    cloud.put(HOLIDAY, sample("animals/two-jaguars"))
    return cloud


@pytest.fixture
def full(bucket, indexer):
    """The bucket, completely indexed."""
    indexer.process([ImageRef(BUCKET, key) for key in (PANDA, OWL, HOLIDAY)])
    return bucket


def keys(index) -> list[str]:
    documents = index.list_documents(limit=100)
    return [document.ref.key for document in documents]


def test_every_event_file_is_tested():
    files = {path.stem for path in EVENTS.glob("*.json")}
    assert files == {*INDEXED, *DELETES, *ANSWERED, *MODEL_EVENTS, *OF_A_LABEL_SET}


@pytest.mark.parametrize("name", INDEXED)
def test_an_event_of_a_created_object_indexes_it(bucket, index_images, index, name):
    index_images(event(name))
    assert keys(index) == INDEXED[name]


@pytest.mark.parametrize("name", RESTORED)
def test_an_archived_image_is_listed_with_a_hint_and_indexed_after_its_restore(
    bucket, index_images, index, sample, name
):
    location = {"Bucket": BUCKET, "Key": PANDA}
    bucket.s3.put_object(**location, Body=sample("animals/giant-panda"), StorageClass="GLACIER")
    assert index_images(event("eventbridge-object-created")) == {"batchItemFailures": []}
    [archived] = index.list_documents(limit=9)
    assert (archived.status, archived.reason) == (
        Status.REJECTED,
        "archived in GLACIER: restore it first",
    )
    bucket.s3.restore_object(**location, RestoreRequest={"Days": 1})
    bucket.s3.head_object(**location)  # moto completes a restore on the next head request
    assert index_images(event(name)) == {"batchItemFailures": []}
    [restored] = index.list_documents(limit=9)
    assert restored.status is Status.INDEXED


@pytest.mark.parametrize("name", DELETES)
def test_an_event_of_a_deleted_object_removes_it(full, index_images, index, name):
    full.delete(PANDA)
    index_images(event(name))
    assert keys(index) == [OWL, HOLIDAY]


def test_only_invalid_messages_of_a_batch_return(bucket, index_images):
    messages = event("sqs-mixed-with-garbage")["Records"]
    failed = index_images(event("sqs-mixed-with-garbage"))["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failed] == [
        message["messageId"] for message in messages[1:4]
    ]


@pytest.mark.parametrize("name", ANSWERED)
def test_a_request_is_answered(full, search, name):
    assert search(event(name))["statusCode"] == ANSWERED[name]


@pytest.mark.parametrize("name", FOUND_FIRST)
def test_a_text_search_finds_the_described_image(full, search, name):
    hits = json.loads(search(event(name))["body"])["hits"]
    assert hits[0]["key"] == FOUND_FIRST[name]


def test_a_filtered_search_finds_only_matching_images(full, search):
    hits = json.loads(search(event("api-search-post-filter"))["body"])["hits"]
    assert [hit["key"] for hit in hits] == [PANDA]


def test_a_batch_answers_each_search_or_reports_its_error(full, search):
    first, failed, last = json.loads(search(event("api-search-batch"))["body"])["results"]
    assert [first["hits"][0]["key"], last["hits"][0]["key"]] == [PANDA, OWL]
    assert failed["error"]["code"] == "not_found"


def test_a_list_by_time_is_limited_to_its_prefix(full, search):
    images = json.loads(search(event("api-images-by-time"))["body"])["images"]
    assert sorted(image["key"] for image in images) == [PANDA, OWL]


@pytest.mark.parametrize("name", ["api-search-post-id", "api-search-post-terms", "api-similar"])
def test_a_search_by_an_indexed_image_excludes_it(full, search, name):
    hits = json.loads(search(event(name))["body"])["hits"]
    assert sorted(hit["key"] for hit in hits) == [OWL, HOLIDAY]


def test_the_panda_is_classified_by_labels_and_by_the_folders_of_similar_images(full, search):
    by_labels, by_vote = (
        json.loads(search(event(f"api-classify-{how}"))["body"]) for how in ("labels", "vote")
    )
    assert by_labels["labels"][0]["label"] == "a panda"
    assert {each["label"] for each in by_vote["labels"]} == {"animals", "summer 2024"}
    assert {hit["key"] for hit in by_vote["evidence"]} == {OWL, HOLIDAY}


def test_a_label_set_is_created_read_used_and_deleted(full, search):
    answers = [search(event(name)) for name in OF_A_LABEL_SET]
    assert [answer["statusCode"] for answer in answers] == [200] * len(answers)
    _, _, _, read, classified, _ = (json.loads(answer["body"]) for answer in answers)
    assert read["labels"] == ["a cat", "a jaguar", "a panda", "an owl"]
    assert classified["labels"][0]["label"] == "a panda"
    assert search(event("api-labelset"))["statusCode"] == 404


def test_feedback_is_stored_in_the_derived_bucket(full, search):
    asked = event("api-search-get")
    asked["queryStringParameters"]["feedback"] = "true"
    asked["multiValueQueryStringParameters"]["feedback"] = ["true"]
    found = json.loads(search(asked)["body"])
    given = event("api-feedback-late")
    hit = found["hits"][0]["id"]
    body = {"search_id": found["search_id"], "id": hit, "relevant": True}
    assert search(given | {"body": json.dumps(body)})["statusCode"] == 201
    kept = full.s3.list_objects_v2(Bucket=DERIVED, Prefix="feedback/")["Contents"]
    pair = json.loads(full.s3.get_object(Bucket=DERIVED, Key=kept[0]["Key"])["Body"].read())
    assert (len(kept), pair["image"], pair["relevant"]) == (1, hit, True)
    assert len(pair["query_embedding"]) == len(pair["image_embedding"]) == 512
