"""Claims: a backfill makes an existing bucket searchable, and its command reports progress."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from rich.console import Console

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import DetailOptions, Details, EncodedImage
from imagesearch.domain.queries import VectorQuery
from imagesearch.indexing.indexer import Indexer
from local.aws.clients import s3_location
from local.commands.aws.backfill import BackfillOptions, follow, start_backfill
from local.errors import UsageError
from tests.integration.commands.conftest import BUCKET
from tests.support.handlers import CONTEXT

ODD = [
    "with space/a b.jpg",
    "a+b.jpg",
    "100%.jpg",
    "%2F/a%20b.jpg",
    "ünï/日本 🐼.jpg",
    "quote\"s'and\\backslash.jpg",
    "braces{}$.jpg",
    "x" * 1020 + ".jpg",
]
# Three batches of the state machine; the last is partial.
IMAGES = 410
KEYS = [*ODD, *(f"2019/{number:04}.jpg" for number in range(IMAGES - len(ODD)))]


class DirectionEncoder:
    """Encodes a number as its own direction."""

    model, decoder = "fake", "fake"

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage]:
        known = Details("0123456789abcdef", "1.000:" + "A" * 576)
        return [
            EncodedImage(direction(int(data)), 1, 1, "image/jpeg", details=known) for data in images
        ]


def direction(number: int) -> np.ndarray:
    angle = number * np.pi / len(KEYS)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


@pytest.fixture
def full(s3) -> None:
    for number, key in enumerate(KEYS):
        s3.put_object(Bucket=BUCKET, Key=key, Body=str(number).encode())


@pytest.fixture
def run(aws, eventually) -> Callable[..., dict[str, Any]]:
    """Runs the backfill to completion; returns the execution."""

    def run(machine: str, **given: str) -> dict[str, Any]:
        states = aws("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, input=json.dumps(given))
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(states.describe_execution(executionArn=started["executionArn"]))
            return found["status"] != "RUNNING"

        eventually("the backfill ends", ended)
        return found

    return run


def keys(records: list[dict[str, Any]]) -> list[str]:
    bodies = [json.loads(each["body"]) for each in records]
    assert all(body["bucket"] == BUCKET for body in bodies)
    return [key for body in bodies for key in body["keys"]]


def test_an_existing_bucket_is_searchable(full, s3, queue, machine, run, drain, tmp_path):
    work = queue("backfill")
    assert run(machine(work))["status"] == "SUCCEEDED"
    records = drain(work)
    assert set(keys(records)) == set(KEYS)

    index = SqliteIndex(tmp_path / "index.db", "images-fake", 2)
    logger = Logger(service="backfill", stream=io.StringIO())
    report = BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service="backfill"))
    indexer = Indexer(S3Store(BUCKET, s3), index, DirectionEncoder())
    handler = make_handler(indexer, BUCKET, logger, report)
    for record in records:
        assert handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    assert index.health().images == len(KEYS)
    for number in (0, 3, 4, 7, IMAGES // 2, IMAGES - 1):
        (hit,) = index.search(VectorQuery(direction(number), 1))
        assert hit.document.ref.key == KEYS[number]
    index.close()


def test_a_message_has_one_key_per_image_of_a_batch(s3, queue, machine, run, drain):
    for number in range(25):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=b"")
    work = queue("backfill")
    run(machine(work))
    assert sorted(len(keys([record])) for record in drain(work)) == [5, 10, 10]


def test_a_prefix_limits_the_keys_sent(s3, queue, machine, run, drain):
    for key in ("2019/a.jpg", "2019/b.jpg", "2020/a.jpg"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    work = queue("backfill")
    run(machine(work), prefix="2019/")
    assert sorted(keys(drain(work))) == ["2019/a.jpg", "2019/b.jpg"]


@pytest.mark.parametrize(
    ("models", "current", "after"), [("all", 2, 2), ("current", 2, 0), ("next", 0, 2)]
)
def test_a_next_model_is_backfilled_with_the_current_one_or_alone(
    s3, queue, machine, run, drain, models, current, after
):
    for key in ("a.jpg", "b.jpg"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    work, work_of_next = queue("backfill"), queue("next")
    run(machine(work, work_of_next), models=models)
    assert len(keys(drain(work))) == current
    assert len(keys(drain(work_of_next))) == after


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"models": "next"}, "the stack has no next model: deploy with NextModelName first"),
        ({"models": "both"}, "models must be all, current or next"),
        ({"bucket": "another"}, "bucket must be photos, the bucket of this stack"),
    ],
)
def test_an_impossible_backfill_fails_with_a_message(s3, queue, machine, run, drain, given, cause):
    s3.put_object(Bucket=BUCKET, Key="a.jpg", Body=b"")
    work = queue("backfill")
    ended = run(machine(work), **given)
    assert (ended["status"], ended["cause"]) == ("FAILED", cause)
    assert drain(work) == []


Wait = Callable[[str], tuple[bool, str]]


@pytest.fixture
def work(s3, queue) -> str:
    for number in range(12):
        s3.put_object(Bucket=BUCKET, Key=f"2019/{number}.jpg", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="2020/a.jpg", Body=b"")
    return queue("backfill")


@pytest.fixture
def stack(aws) -> Callable[[str, str], None]:
    """Creates a stack that has the outputs of the template."""

    def stack(name: str, machine: str) -> None:
        outputs = {"BucketName": BUCKET, "BackfillStateMachineArn": machine}
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items() if value},
        }
        aws("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))

    return stack


@pytest.fixture
def wait(aws, eventually) -> Wait:
    """Follows an execution; returns success and messages."""

    def wait(execution: str) -> tuple[bool, str]:
        def has_started() -> bool:
            try:
                aws("stepfunctions").list_map_runs(executionArn=execution)
            except AttributeError:  # raised by moto until the thread of the execution exists
                return False
            return True

        eventually("the execution begins", has_started)
        output = io.StringIO()
        return follow(execution, aws, Console(file=output), every=0.01), output.getvalue()

    return wait


def wanted(objects: str, models: str = "all", stack: str = "images", arn: str | None = None):
    return BackfillOptions(s3_location(objects), models, stack, arn)


def test_the_state_machine_is_read_from_the_stack_outputs(aws, work, machine, stack, wait, drain):
    stack("images", machine(work))
    done, output = wait(start_backfill(wanted(f"s3://{BUCKET}"), aws))
    assert done
    assert output.splitlines()[-1].startswith("all objects sent")
    assert len(drain(work)) == 2


def test_a_prefix_is_passed_to_the_execution(aws, work, machine, wait, drain):
    assert wait(start_backfill(wanted(f"s3://{BUCKET}/2020/", arn=machine(work)), aws))[0]
    (message,) = drain(work)
    assert json.loads(message["body"])["keys"] == ["2020/a.jpg"]


def test_a_failed_backfill_reports_the_cause(aws, work, machine, wait):
    started = start_backfill(wanted(f"s3://{BUCKET}", models="next", arn=machine(work)), aws)
    done, output = wait(started)
    assert not done
    assert "FAILED: the stack has no next model: deploy with NextModelName first" in output


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (wanted("s3://another"), "indexes s3://photos, not s3://another"),
        (wanted(f"s3://{BUCKET}", stack="nowhere"), "cannot read the stack nowhere: .*not exist"),
        (wanted(f"s3://{BUCKET}", stack="old"), "the stack old has no backfill"),
        (wanted(f"s3://{BUCKET}", models="both"), "--models is one of all, current, next"),
        (wanted(f"s3://{BUCKET}", arn="backfill"), "cannot start the backfill: "),
    ],
)
def test_an_execution_that_cannot_start_is_reported(aws, work, machine, stack, given, output):
    stack("images", machine(work))
    stack("old", "")
    with pytest.raises(UsageError, match=output):
        start_backfill(given, aws)
