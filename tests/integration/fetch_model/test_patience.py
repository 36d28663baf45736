"""Claims: downloads use the time that the self-test leaves; stored files are not fetched again."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from imagesearch.domain.errors import Unavailable
from imagesearch.downloads.model_store import (
    LARGE_MODEL_BYTES,
    SELF_TEST_SECONDS,
    Deadline,
    OutOfTime,
    S3ModelStore,
)
from imagesearch.embedding.manifest import MANIFEST
from imagesearch.embedding.model_catalog import catalog_entries
from tests.integration.fetch_model.conftest import BUCKET
from tests.support.aws.cloudformation import failed
from tests.support.models.self_tests import RecordingTest
from tests.support.models.tiny_model import FILES
from tests.support.servers.file_server import FileServer

NEEDED = 569  # of the 900 seconds of FetchModel, less the self-test and the response


class Clock:
    """Time that passes while a store pauses, and during its self-test."""

    def __init__(self, s3: Any, models: Any) -> None:
        self.now = 0.0
        self.waits: list[str] = []
        self.test = RecordingTest()
        self.store = S3ModelStore(
            BUCKET,
            "model",
            s3,
            models.__getitem__,
            self._pause,
            self.test,
            waiting=lambda reason, _: self.waits.append(reason),
        )

    def put(self, seconds: float) -> list[str]:
        return self.store.put("clip-vit-b-32", Deadline(seconds, lambda: self.now))

    def _pause(self, deadline: Deadline, seconds: float) -> None:
        self.now += seconds
        deadline.check()


@pytest.fixture
def clock(s3: Any, models: Any) -> Clock:
    return Clock(s3, models)


def test_downloads_wait_as_long_as_the_self_test_leaves_time(clock, hub):
    hub.statuses, hub.error_headers = [429, 200, 503, 200], {"retry-after": "250"}
    assert clock.put(NEEDED + SELF_TEST_SECONDS) == list(FILES)
    assert 500 <= clock.now <= 502
    assert (len(clock.waits), clock.test.runs) == (2, 1)


def test_a_wait_that_the_self_test_has_no_time_for_fails_at_once(clock, hub):
    hub.statuses, hub.error_headers = [429], {"retry-after": "250"}
    with pytest.raises(Unavailable, match=r"Retry-After 250 s; the next attempt is in 25\d s"):
        clock.put(SELF_TEST_SECONDS + 200)
    assert (clock.now, len(hub.requests), clock.test.runs) == (0, 1, 0)


def test_a_slow_transfer_ends_with_the_time_for_downloads(clock):
    with pytest.raises(OutOfTime, match=r"the time for downloads ended before .*image\.onnx"):
        clock.put(SELF_TEST_SECONDS - 1)


def test_the_next_deployment_continues_with_the_missing_files(cloudformation, hub, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    hub.requests.clear()
    hub.statuses = [200, *[503] * 500]
    failed(
        cloudformation.ask("model-update", PhysicalResourceId=made),
        "previous model stays in use",
        "the files that are stored are not downloaded again",
    )
    hub.requests.clear()
    hub.statuses = []
    new = cloudformation.ask("model-update", PhysicalResourceId=made)
    assert new["Status"] == "SUCCESS"
    assert [path for path, _ in hub.requests] == [f"/{name}" for name in FILES[1:]]
    cloudformation.ask("model-delete", PhysicalResourceId=made)
    assert len(keys()) == len(FILES) + 1


def test_a_rollback_deletes_incomplete_models_so_that_the_bucket_can_be_deleted(
    cloudformation, hub, keys, s3
):
    hub.statuses = [200, *[503] * 500]
    answer = cloudformation.ask("model-create")
    assert len(keys()) == 1
    deleted = cloudformation.ask("model-delete", PhysicalResourceId=answer["PhysicalResourceId"])
    assert deleted["Status"] == "SUCCESS"
    assert keys() == []
    s3.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("size", "reserved"), [(LARGE_MODEL_BYTES, 300), (LARGE_MODEL_BYTES + 1, 600)]
)
def test_more_seconds_are_reserved_for_the_self_test_of_a_large_model(
    clock, models, s3, size, reserved
):
    """The stored text graph has a size that no test can transfer; the tokenizer is missing."""
    name = "clip-vit-b-32"
    clock.put(NEEDED + SELF_TEST_SECONDS)
    prefix = clock.store.uri(name).removeprefix(f"s3://{BUCKET}/")
    s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/tokenizer.json")
    model = models[name]
    text = model.pins["text.onnx"]
    large = text.model_copy(update={"bytes": size - model.bytes + text.bytes})
    models[name] = model.model_copy(update={"pins": model.pins | {"text.onnx": large}})
    assert models[name].bytes == size
    with pytest.raises(OutOfTime, match=r"the time for downloads ended before .*tokenizer\.json"):
        clock.put(reserved)
    assert clock.put(reserved + 1) == ["tokenizer.json"]


def test_siglip_is_a_large_model_and_int8_clip_is_not():
    large = {each.name for each in catalog_entries() if each.bytes > LARGE_MODEL_BYTES}
    assert "siglip2-b-16" in large
    assert not large & {"clip-vit-b-32", "multilingual-clip-vit-b-32"}


@pytest.fixture
def mirror(hub: FileServer) -> Iterator[FileServer]:
    """A server with the files of one model at `/mirror/NAME/FILE`; the hub has none."""
    made = FileServer()
    for name in FILES:
        made.files[f"/mirror/clip-vit-b-32/{name}"] = hub.files.pop(f"/{name}")
    with made.running():
        yield made


def test_a_mirror_over_http_replaces_the_hub(cloudformation, models, mirror, hub, keys):
    source = {"Source": f"{mirror.url}/mirror/"}
    answer = cloudformation.ask("model-create", properties=source)
    assert answer["Status"] == "SUCCESS"
    assert [path for path, _ in mirror.requests] == [
        f"/mirror/clip-vit-b-32/{name}" for name in FILES
    ]
    assert hub.requests == []
    again = cloudformation.ask("model-again", PhysicalResourceId=answer["PhysicalResourceId"])
    assert again["PhysicalResourceId"] == answer["PhysicalResourceId"]
    assert hub.requests == []


@pytest.fixture
def s3_mirror(s3: Any, models: Any, hub: FileServer) -> str:
    location = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="mirror", CreateBucketConfiguration=location)
    for name in FILES:
        key = f"models/clip-vit-b-32/{name}"
        s3.put_object(Bucket="mirror", Key=key, Body=hub.files[f"/{name}"])
    hub.files.clear()
    return "s3://mirror/models"


def test_a_mirror_in_s3_replaces_the_hub(cloudformation, hub, s3_mirror, keys):
    answer = cloudformation.ask("model-create", properties={"Source": s3_mirror})
    assert answer["Status"] == "SUCCESS"
    assert {key.rpartition("/")[2] for key in keys()} == {*FILES, MANIFEST}
    assert hub.requests == []


def test_the_files_of_a_mirror_are_verified(cloudformation, s3, s3_mirror, keys):
    key = "models/clip-vit-b-32/text.onnx"
    s3.put_object(Bucket="mirror", Key=key, Body=b"evil")
    wrong = hashlib.sha256(b"evil").hexdigest()
    answer = cloudformation.ask("model-create", properties={"Source": s3_mirror})
    failed(answer, f"s3://mirror/{key} has the SHA-256 {wrong} instead of")
    s3.delete_object(Bucket="mirror", Key=key)
    answer = cloudformation.ask("model-create", properties={"Source": s3_mirror})
    failed(answer, f"s3://mirror/{key} does not exist")
    assert keys() == []


@pytest.mark.parametrize(
    "source", ["ftp://host", "http://example.org/x", "https://host:99999/x", "s3:/bucket", "mirror"]
)
def test_an_invalid_source_is_reported_and_does_not_prevent_deletion(cloudformation, source):
    properties = {"Source": source}
    answer = cloudformation.ask("model-create", properties=properties)
    failed(answer, f"'{source}' is not a source of models")
    id = answer["PhysicalResourceId"]
    deleted = cloudformation.ask("model-delete", PhysicalResourceId=id, properties=properties)
    assert deleted["Status"] == "SUCCESS"
