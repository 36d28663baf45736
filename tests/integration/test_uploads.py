"""Claims about uploads directly to a bucket, and deletions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.cloud import BUCKET, DERIVED
from tests.support.handlers import begin_upload, send_form

TEMPLATE = json.loads((Path(__file__).parents[2] / "events/api-health.json").read_text())


@pytest.fixture
def ask(search) -> Callable[..., Any]:
    def ask(method: str, path: str, body: Any = None) -> Any:
        text = json.dumps(body) if body else None
        request = TEMPLATE | {"httpMethod": method, "path": path, "body": text}
        answer = search(request)
        assert answer["statusCode"] < 300, answer["body"]
        return json.loads(answer["body"])

    return ask


@pytest.fixture
def queue(cloud):
    return cloud.queue("eventbridge")


def test_an_uploaded_image_is_pending_indexed_found_and_deleted(
    cloud, aws, queue, ask, index_images, sample, derived
):
    started = begin_upload(ask, "panda.webp", collection="new", metadata={"label": "panda"})
    path = f"/v1/images/{started['id']}"
    assert send_form(started, sample("animals/giant-panda"), aws) == 204
    assert ask("GET", path)["status"] == "pending"
    queue.drain(index_images)
    record = ask("GET", path)
    assert (record["status"], record["key"]) == ("indexed", started["key"])
    assert record["metadata"]["label"] == "panda"
    assert "thumbnails/" in record["thumbnail_url"]
    assert ask("DELETE", path)["key"] == started["key"]
    queue.drain(index_images)
    listed = cloud.s3.list_objects_v2(Bucket=BUCKET)
    assert listed["KeyCount"] == 0
    left = cloud.s3.list_objects_v2(Bucket=DERIVED)["Contents"]
    assert [each["Key"] for each in left] == [f"uploads/{started['id']}"]


def test_thumbnails_cause_no_events(cloud, queue, index_images, sample, index, derived):
    cloud.put("a.webp", sample("animals/owl"))
    queue.drain(index_images)
    assert queue.is_empty()
    [document] = index.list_documents(limit=10)
    assert derived.get(document.thumbnail).startswith(b"\xff\xd8\xff")
