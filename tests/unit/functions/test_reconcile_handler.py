"""The reconciling function: planned parts, continuations, and the index of the next model."""

import io
import json
import uuid
from types import SimpleNamespace

import pytest
from aws_lambda_powertools import Logger

from functions.reconcile.handler import (
    BUSY_MESSAGES,
    MARGIN_MILLISECONDS,
    ModelIndex,
    make_handler,
)
from imagesearch.indexing import reconciliation
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup
from tests.support.fakes import START, FakeDerived, FakeQueue, picture


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
def handler(store, index, sent, logs):
    def handler(**waiting: int):
        logger = Logger(service=uuid.uuid4().hex, stream=logs)
        reconciler = Reconciler(store, index, sent, lambda: START)
        queues = {name: FakeQueue(number, 0) for name, number in waiting.items()}
        models = {name: ModelIndex(reconciler, queue) for name, queue in queues.items()}
        thumbnails = ThumbnailCleanup(FakeDerived(), lambda: [index], lambda: START)
        return make_handler(models, thumbnails, logger)

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
    late = SimpleNamespace(get_remaining_time_in_millis=lambda: MARGIN_MILLISECONDS - 1)
    steps = []
    while not part["done"]:
        part = json.loads(json.dumps(handle(part, late)))
        steps.append((part["after"], part["counts"]["missing"]))
    assert steps == [("3.png", 4), ("7.png", 8), ("7.png", 10)]
    assert sent.keys == [f"{number}.png" for number in range(10)]
