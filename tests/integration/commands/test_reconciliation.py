"""Claims: the deployed state machine makes a broken index equal the bucket."""

import io
import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from moto.awslambda_simple.models import LambdaSimpleBackend

from functions.index_images.handler import BatchReport
from functions.index_images.handler import make_handler as make_index_handler
from functions.reconcile.handler import MARGIN_MILLISECONDS, ModelIndex, make_handler
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.s3.inventory import S3InventoryReport
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.adapters.sqs import SqsQueue, SqsRecheckQueue
from imagesearch.domain.images import DetailOptions, Details, EncodedImage, ImageRef
from imagesearch.domain.ports import Delete, VectorIndex
from imagesearch.indexing import reconciliation
from imagesearch.indexing.consistency import check_consistency
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.inventory import Inventory
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup
from tests.integration.commands.conftest import BUCKET
from tests.support.aws.inventory import FOLDER, report, row, rows_of
from tests.support.aws.state_machine import RECONCILE, deployed
from tests.support.fakes import FakeDerived
from tests.support.handlers import CONTEXT

KEYS = [f"{number % 7}/a b+c%41é {number:03}.jpg" for number in range(150)]
PREVIOUS = "previous"


class OneDirection:
    model, decoder = "fake", "fake"

    def encode_images(self, images, details: DetailOptions | None = None) -> list[EncodedImage]:
        known = Details("0123456789abcdef", "1.000:" + "A" * 576)
        unit = np.array([1, 0], np.float32)
        return [EncodedImage(unit, 1, 1, "image/jpeg", details=known) for _ in images]


class ShortInvocation:
    """A context whose time is up at every second question."""

    def __init__(self) -> None:
        self._asked = 0

    def get_remaining_time_in_millis(self) -> int:
        self._asked += 1
        return MARGIN_MILLISECONDS - (self._asked % 2 == 0)


@pytest.fixture
def index(request, tmp_path) -> Iterator[VectorIndex]:
    made: Any
    if request.param == "sqlite":
        made = SqliteIndex(tmp_path / "index.db", "images-fake", 2)
    else:
        made = OpenSearchIndex(
            request.getfixturevalue("opensearch_url"),
            f"images-{uuid.uuid4().hex}",
            2,
            model="fake",
            settings=IndexSettings(refresh_interval="100ms"),
        )
    yield made
    made.drop()
    made.close()


@pytest.fixture
def indexer(s3, index) -> Indexer:
    return Indexer(S3Store(BUCKET, s3), index, OneDirection())


@pytest.fixture
def invocations() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def run(aws, s3, index, queue, invocations, eventually, monkeypatch) -> Callable[[str], Any]:
    """Runs the state machine over a queue to completion; returns its output.

    With `inventory`, its function reads a report.
    """
    monkeypatch.setattr(reconciliation, "KEYS_PER_STOP_CHECK", 20)
    monkeypatch.setattr(reconciliation, "KEYS_PER_RANGE", 60)

    def run(url: str, inventory: Inventory | None = None) -> Any:
        reconciler = Reconciler(S3Store(BUCKET, s3), index, SqsRecheckQueue(url, aws("sqs")))
        models = {"current": ModelIndex(reconciler, SqsQueue(url, aws("sqs")))}
        thumbnails = ThumbnailCleanup(FakeDerived(), lambda: [index])
        handler = make_handler(
            models, thumbnails, Logger(service=uuid.uuid4().hex, stream=io.StringIO()), inventory
        )

        def invoke(_: object, function_name: str, qualifier: Any, body: Any, *more: Any) -> bytes:
            invocations.append(json.loads(body))
            return json.dumps(handler(json.loads(body), ShortInvocation())).encode()

        monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
        definition = deployed(
            RECONCILE,
            Partition="aws",
            ReconcileArn="arn:aws:lambda:us-east-1:123456789012:function:reconcile:live",
        )
        states = aws("stepfunctions")
        machine = states.create_state_machine(
            name=f"reconcile-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::123456789012:role/reconcile",
        )["stateMachineArn"]
        execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(states.describe_execution(executionArn=execution))
            return found["status"] != "RUNNING"

        eventually("the reconciliation ends", ended)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])

    return run


@pytest.fixture
def inventory(s3) -> Callable[[], Inventory]:
    """Writes a report about the bucket as of now: of all versions, in files without an order."""
    for bucket in ("inventory", "derived"):
        s3.create_bucket(Bucket=bucket)

    def inventory() -> Inventory:
        rows = rows_of(s3, BUCKET)
        rows += [row(KEYS[0], latest="false"), row("deleted.jpg", deleted="true")]
        random.Random(5).shuffle(rows)
        created = str(int(datetime.now(UTC).timestamp() * 1000))
        objects = report(rows[:40], rows[40:], creationTimestamp=created)
        for key, data in objects.items():
            s3.put_object(Bucket="inventory", Key=key, Body=data)
        return Inventory(
            f"s3://inventory/{FOLDER}",
            lambda uri: S3InventoryReport(uri, BUCKET, s3),
            S3Derived("s3://derived", s3),
            BUCKET,
        )

    return inventory


@pytest.mark.parametrize(
    ("index", "listing"),
    [("sqlite", "bucket"), ("sqlite", "inventory"), ("opensearch", "bucket")],
    indirect=["index"],
)
def test_bucket_and_index_broken_on_both_sides_are_equal_after_the_queue_is_empty(
    s3, index, indexer, queue, run, drain, invocations, eventually, inventory, listing
):
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    old = [ImageRef(PREVIOUS, key) for key in KEYS[:20]]
    s3.create_bucket(Bucket=PREVIOUS)
    for each in old:
        s3.put_object(Bucket=PREVIOUS, Key=each.key, Body=b"old")
    Indexer(S3Store(PREVIOUS, s3), index, OneDirection()).process(old)
    indexer.process([ImageRef(BUCKET, key) for key in KEYS])
    forgotten = [ImageRef(BUCKET, key) for key in KEYS[:12]]
    stored = index.get([each.id for each in forgotten])
    index.write([Delete(each, stored[each.id].version) for each in forgotten])
    for key in KEYS[20:32]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"other bytes")
    for key in KEYS[40:52]:
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.put_object(Bucket=BUCKET, Key="new.jpg", Body=b"new")
    # The images, and as many of the previous bucket, without the forgotten ones.
    eventually("the index shows the writes", lambda: index.count() == len(KEYS) + 20 - 12)

    reports = inventory() if listing == "inventory" else None
    s3.put_object(Bucket=BUCKET, Key="later.jpg", Body=b"later")
    s3.put_object(Bucket=BUCKET, Key=KEYS[60], Body=b"later")
    s3.delete_object(Bucket=BUCKET, Key=KEYS[61])
    indexer.process([ImageRef(BUCKET, key) for key in ("later.jpg", KEYS[60], KEYS[61])])
    later = s3.head_object(Bucket=BUCKET, Key="later.jpg")["ETag"].strip('"')

    def shows_later_writes() -> bool:
        etags = {each.ref.key: each.etag for each in index.list_entries()}
        written = [etags.get(key) for key in ("later.jpg", KEYS[60], KEYS[61])]
        return written == [later, later, None]

    eventually("the index shows the later writes", shows_later_writes)

    url = queue("backfill")
    *parts, thumbnails = run(url, reports)
    assert thumbnails["counts"] == {"listed": 0, "deleted": 0}
    if reports:
        divided = parts.pop(0)
        assert divided["counts"] == {"reported": len(KEYS) - 12 + 1}
    assert {part["listing"] for part in parts} == {listing}
    assert len(parts) > 1
    totals = {name: sum(part["counts"][name] for part in parts) for name in parts[0]["counts"]}
    assert (totals["missing"], totals["changed"], totals["gone"]) == (13, 12, 12 + 20)
    assert len(invocations) > 1 + len(parts)  # some were continued

    records = drain(url)
    logger = Logger(service=uuid.uuid4().hex, stream=io.StringIO())
    report = BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service="test"))
    handler = make_index_handler(indexer, BUCKET, logger, report)
    for record in records:
        assert handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    images = len(KEYS) - 12 + 1 - 1 + 1  # new.jpg; KEYS[61] is gone; later.jpg
    eventually("the index shows the writes", lambda: index.count() == images)
    checked = check_consistency(S3Store(BUCKET, s3), index)
    assert (checked.is_consistent, checked.done) == (True, images)
    assert {each.ref.bucket for each in index.list_entries()} == {BUCKET}

    run(url, inventory() if reports else None)
    assert drain(url) == []
