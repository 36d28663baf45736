"""The reconciling function: planned parts, continuations, and the index of the next model."""

import io
import json
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from aws_lambda_powertools import Logger

from functions.reconcile.handler import (
    BUSY_MESSAGES,
    MARGIN_MILLISECONDS,
    ModelIndex,
    make_handler,
)
from imagesearch.domain.errors import UnusableReport
from imagesearch.domain.images import ImageRef
from imagesearch.indexing import inventory as inventory_module
from imagesearch.indexing import reconciliation
from imagesearch.indexing.inventory import MAX_AGE, Inventory
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup
from tests.support.fakes import BUCKET, START, FakeDerived, FakeQueue, FakeReport, picture

LATE = SimpleNamespace(get_remaining_time_in_millis=lambda: MARGIN_MILLISECONDS - 1)


class Schedule:
    def __init__(self) -> None:
        self.keys: list[str] = []

    def schedule(self, refs, after):
        self.keys += [ref.key for ref in refs]


@pytest.fixture
def logs():
    return io.StringIO()


@pytest.fixture
def sent():
    return Schedule()


@pytest.fixture
def inventory(store):
    """The inventory with a report of now; `report` can be replaced by an error."""

    def open_report(uri: str) -> FakeReport:
        if isinstance(inventory.report, UnusableReport):
            raise inventory.report
        return inventory.report or FakeReport(store, START, 2, uri)

    made = Inventory("s3://reports/daily", open_report, FakeDerived(), BUCKET, lambda: START)
    inventory = SimpleNamespace(made=made, report=None)
    return inventory


@pytest.fixture
def run(handler):
    """Runs every part to its end, as the state machine does; returns them."""

    def run(context=LATE, **options):
        handle = handler(**options)
        parts = handle({"action": "plan"}, None)["parts"]
        for number, _ in enumerate(parts):
            while not parts[number]["done"]:
                parts[number] = json.loads(json.dumps(handle(parts[number], context)))
        return parts

    return run


@pytest.fixture
def handler(store, index, sent, logs):
    def handler(inventory: Inventory | None = None, **waiting: int):
        logger = Logger(service=uuid.uuid4().hex, stream=logs)
        reconciler = Reconciler(store, index, sent, lambda: START)
        queues = {name: FakeQueue(number, 0) for name, number in waiting.items()}
        models = {name: ModelIndex(reconciler, queue) for name, queue in queues.items()}
        thumbnails = ThumbnailCleanup(FakeDerived(), lambda: [index], lambda: START)
        return make_handler(models, thumbnails, logger, inventory)

    return handler


def test_each_model_has_its_parts_unless_its_queue_is_busy(handler, logs):
    handle = handler(current=BUSY_MESSAGES, next=BUSY_MESSAGES + 1)
    [part, thumbnails] = handle({"action": "plan"}, None)["parts"]
    assert thumbnails["action"] == "thumbnails"
    assert (part["model"], part["after"], part["until"]) == ("current", "", None)
    [line] = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert (line["model"], line["level"]) == ("next", "WARNING")


def test_a_part_is_continued_after_the_last_compared_key(handler, store, sent, monkeypatch):
    monkeypatch.setattr(reconciliation, "KEYS_PER_STOP_CHECK", 4)
    for number in range(10):
        store.put(f"{number}.png", picture("owl"))
    handle = handler(current=0)
    [part, thumbnails] = handle({"action": "plan"}, None)["parts"]
    assert thumbnails["action"] == "thumbnails"
    steps = []
    while not part["done"]:
        part = json.loads(json.dumps(handle(part, LATE)))
        steps.append((part.get("after"), part["counts"]["missing"]))
    assert steps == [("3.png", 4), ("7.png", 8), (None, 10)]
    assert sent.keys == [f"{number}.png" for number in range(10)]


# The limit of an input and an output of a state, and a margin for the fields that Lambda adds:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_PAYLOAD_BYTES = 256 * 1024 - 4_000
ESCAPED = "\x01" * 1_020  # each is six bytes in JSON


@pytest.mark.parametrize(
    ("end", "ranges"),
    [
        (".png", reconciliation.MAX_RANGES),
        ("x" * 1_020, 25),
        ("é" * 510, 13),
        (ESCAPED, 7),
    ],
    ids=["short keys", "long keys", "two bytes a letter", "escaped letters"],
)
def test_the_plan_for_two_models_fits_the_payload_of_a_state(
    end, ranges, handler, inventory, store, indexer, monkeypatch
):
    monkeypatch.setattr(reconciliation, "KEYS_PER_RANGE", 1)
    keys = [f"{number:04}{end}" for number in range(2 * reconciliation.MAX_RANGES)]
    for key in keys:
        store.put(key, picture("owl"))
    indexer.process([ImageRef(BUCKET, key) for key in keys])
    plan = handler(inventory=inventory.made, current=0, next=0)({"action": "plan"}, None)
    assert len(plan["parts"]) == 1 + 2 * ranges + 1
    assert len(json.dumps(plan)) < MAX_PAYLOAD_BYTES


def test_the_results_of_all_parts_fit_the_payload_of_a_state(run, store, monkeypatch):
    """A part that is continued after a long key ends without it."""
    monkeypatch.setattr(reconciliation, "KEYS_PER_STOP_CHECK", 1)
    for number in range(2):
        store.put(f"{number}{ESCAPED}", picture("owl"))
    compared, _ = run(current=0)
    assert compared["counts"]["compared"] == 2
    parts = 2 * reconciliation.MAX_RANGES + 2
    assert parts * len(json.dumps(compared | {"listing": "inventory"})) < MAX_PAYLOAD_BYTES


def listings(parts):
    return [part["listing"] for part in parts if part["action"] == "compare"]


def reasons(logs):
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    return [line["reason"] for line in lines if line["level"] == "WARNING"]


def test_a_report_is_divided_once_and_compared_with_the_index_of_each_model(
    run, inventory, store, sent, logs
):
    for number in range(3):
        store.put(f"{number}.png", picture("owl"))
    divided, *compared, _ = run(inventory=inventory.made, current=0, next=0)
    assert (divided["action"], divided["counts"]) == ("divide", {"reported": 3})
    assert [part["model"] for part in compared] == ["current", "next"]
    assert listings(compared) == ["inventory", "inventory"]
    assert sent.keys == 2 * ["0.png", "1.png", "2.png"]
    assert reasons(logs) == []


@pytest.mark.parametrize("models", [{"next": 0}, {}])
def test_a_report_is_divided_only_for_an_index_that_is_compared(run, inventory, models):
    waiting = {"current": BUSY_MESSAGES + 1} | models
    actions = [part["action"] for part in run(inventory=inventory.made, **waiting)]
    assert actions == [*(["divide", "compare"] if models else []), "thumbnails"]


@pytest.mark.parametrize("created", [START, START - MAX_AGE - timedelta(seconds=1)])
@pytest.mark.parametrize("reason", ["there is none", None])
def test_without_a_usable_report_the_bucket_is_listed(
    run, inventory, store, sent, logs, created, reason
):
    store.put("a.png", picture("owl"))
    inventory.report = UnusableReport(reason) if reason else FakeReport(store, created)
    parts = run(inventory=inventory.made, current=0)
    is_used = not reason and created == START
    assert listings(parts) == ["inventory" if is_used else "bucket"]
    assert len(reasons(logs)) == (not is_used)
    assert sent.keys == ["a.png"]


def test_after_a_damaged_file_the_bucket_is_listed(run, inventory, store, sent, logs):
    store.put("a.png", picture("owl"))

    def fail():
        raise UnusableReport("data/0.csv.gz is damaged")

    inventory.report = FakeReport(store, START, while_read=fail)
    divided, *compared = run(inventory=inventory.made, current=0)
    assert divided["unusable"] == reasons(logs)[0] == "data/0.csv.gz is damaged"
    assert listings(compared) == ["bucket"]
    assert sent.keys == ["a.png"]


def test_a_range_that_is_too_large_is_listed(run, inventory, store, logs, monkeypatch):
    monkeypatch.setattr(inventory_module, "MAX_SORTED_BYTES", 99)
    for key in "ab":
        store.put(f"{key}.png", picture("owl"))
    assert listings(run(inventory=inventory.made, current=0)) == ["bucket"]
    assert "too large" in reasons(logs)[0]
