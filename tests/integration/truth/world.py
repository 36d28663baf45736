"""A bucket, its queues, the functions of one or two models, and what the index must contain."""

import hashlib
import io
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from aws_lambda_powertools import Logger

from functions.index_images.handler import make_handler as make_index_handler
from functions.reconcile.handler import ModelIndex
from functions.reconcile.handler import make_handler as make_reconcile_handler
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.sqs import SqsQueue, SqsRecheckQueue
from imagesearch.domain.images import Status
from imagesearch.domain.media_types import named_as_image
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.storage_keys import THUMBNAILS
from imagesearch.duplicates.linker import Linker
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.indexing.indexer import Indexer, Limits
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import MINIMUM_AGE, ThumbnailCleanup
from tests.integration.truth.steps import (
    SteppedClient,
    SteppedEncoder,
    SteppedIndex,
    Worker,
)
from tests.support.aws.memory_s3 import MemoryS3, Version
from tests.support.fakes import BUCKET, PNG, START, FakeImages, picture, vector
from tests.support.handlers import in_queue

DERIVED = "derived"
LIMITS = Limits(file_bytes=200, batch_images=2)
# Few keys and contents, so that changes meet each other.
CONTENTS = {
    "cat": picture("cat"),
    "dog": picture("dog"),
    "broken": picture("broken"),
    "huge": picture("huge" * 100),
    "no image": b"no image",
    "empty": b"",
}
KEYS = ("a.png", "a b+c%41é.jpg", "without extension")
CONTEXT = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 600_000)
LONGER_THAN_ANY_DELAY = MINIMUM_AGE + timedelta(hours=1)
MAX_DELIVERIES = 500


class Report:
    """A batch report that writes nothing."""

    def write(self, *_: Any) -> None:
        """The outcomes are in the index."""


@dataclass
class QueueClient:
    """The requests of the functions to one queue, and its messages; `delayed` ones are due later.

    Messages have no order, and may be delivered more than once.
    """

    clock: Callable[[], datetime]
    messages: dict[str, str] = field(default_factory=dict)
    delayed: list[tuple[datetime, str]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def send(self, body: str) -> None:
        self.messages[f"message-{next(self.numbers)}"] = body

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            due = self.clock() + timedelta(seconds=entry["DelaySeconds"])
            self.delayed.append((due, entry["MessageBody"]))
        return {}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        counts = {
            "ApproximateNumberOfMessages": str(len(self.messages)),
            "ApproximateNumberOfMessagesNotVisible": "0",
        }
        return {"Attributes": counts}

    def waiting(self) -> list[str]:
        """The ids of the messages that can be received."""
        now = self.clock()
        for _, body in [each for each in self.delayed if each[0] <= now]:
            self.send(body)
        self.delayed = [each for each in self.delayed if each[0] > now]
        return list(self.messages)

    def receive(self, ids: Sequence[str]) -> dict[str, Any]:
        """The event of these messages, which stay in the queue until they are deleted."""
        event = in_queue(*(self.messages[id] for id in ids))
        for record, id in zip(event["Records"], ids, strict=True):
            record["messageId"] = id
        return event

    def settle(self, ids: Sequence[str], answer: dict[str, Any]) -> None:
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for id in ids:
            if id not in failed:
                self.messages.pop(id, None)


class MakeIndex(Protocol):
    """Creates an empty index of vectors with 8 dimensions; `clock` is that of its records."""

    def __call__(self, model: str, clock: Callable[[], datetime]) -> VectorIndex: ...


@dataclass
class ModelSystem:
    """The index, the queue and the encoder of one model."""

    model: str
    index: VectorIndex
    queue: QueueClient

    @property
    def encoder(self) -> FakeImages:
        return FakeImages(model=self.model)


class World:
    """Everything that the functions of a deployment share; time passes with each call of `tick`."""

    def __init__(self, make_index: MakeIndex) -> None:
        self.now = START
        self._make_index = make_index
        self.s3 = MemoryS3(lambda: self.now)
        for bucket in (BUCKET, DERIVED):
            self.s3.create_bucket(Bucket=bucket)
        self._made = itertools.count()
        self.current = self._system()
        self.next: ModelSystem | None = None
        self._logger = Logger(service=uuid.uuid4().hex, stream=io.StringIO(), level="CRITICAL")

    @property
    def systems(self) -> list[ModelSystem]:
        return [self.current, *([self.next] if self.next else [])]

    def tick(self, passed: timedelta = timedelta(milliseconds=300)) -> None:
        self.now += passed

    def notify(self, key: str, times: int = 1) -> None:
        """Send the event of a change to the queue of each model."""
        detail = {"bucket": {"name": BUCKET}, "object": {"key": key}}
        for system in self.systems:
            for _ in range(times):
                system.queue.send(json.dumps({"source": "aws.s3", "detail": detail}))

    def start_next_model(self) -> None:
        """Add a model with an index of its own, and send it all keys, as a backfill does."""
        self.next = self._system()
        for key in self.s3.current_objects(BUCKET):
            self.next.queue.send(json.dumps({"bucket": BUCKET, "keys": [key]}))

    def switch_model(self) -> None:
        """The next model becomes the current one; the old index is deleted."""
        if self.next:
            self.current.index.drop()
            self.current, self.next = self.next, None

    def drop_next_model(self) -> None:
        if self.next:
            self.next.index.drop()
            self.next = None

    def handler(self, system: ModelSystem) -> Callable[[Any, Any], dict[str, Any]]:
        """The indexing function in a new process."""
        s3, index = SteppedClient(self.s3, "s3"), SteppedIndex(system.index)
        recheck = SqsRecheckQueue("", SteppedClient(system.queue, "sqs"))
        indexer = Indexer(
            S3Store(BUCKET, s3),
            index,
            SteppedEncoder(system.encoder),
            LIMITS,
            lambda: self.now,
            derived=S3Derived(f"s3://{DERIVED}", s3),
            linker=Linker(index, DuplicateWeights().weights, recheck, lambda: self.now),
            index_name=system.model,
        )
        return make_index_handler(indexer, BUCKET, self._logger, Report())

    def index_messages(
        self, system: ModelSystem, ids: Sequence[str], handler: Callable[[Any, Any], Any]
    ) -> None:
        """Process messages; those of a killed function stay in the queue."""
        event = system.queue.receive(ids)
        system.queue.settle(ids, handler(event, CONTEXT))

    def reconcile(self) -> None:
        """Run the reconciliation, as its state machine does; Unavailable ends it."""
        s3 = SteppedClient(self.s3, "s3")
        indexes = {
            name: ModelIndex(
                Reconciler(
                    S3Store(BUCKET, s3),
                    SteppedIndex(system.index),
                    SqsRecheckQueue("", SteppedClient(system.queue, "sqs")),
                    lambda: self.now,
                ),
                SqsQueue("", SteppedClient(system.queue, "sqs")),
            )
            for name, system in zip(("current", "next"), self.systems, strict=False)
        }
        cleanup = ThumbnailCleanup(
            S3Derived(f"s3://{DERIVED}", s3),
            lambda: [SteppedIndex(system.index) for system in self.systems],
            lambda: self.now,
        )
        handler = make_reconcile_handler(indexes, cleanup, self._logger)
        for part in handler({"action": "plan"}, CONTEXT)["parts"]:
            while not part["done"]:
                part = handler(part, CONTEXT)

    def drain(self) -> None:
        """Deliver all messages until the queues are empty."""
        for _ in range(MAX_DELIVERIES):
            waiting = [(system, system.queue.waiting()) for system in self.systems]
            if not any(ids or system.queue.delayed for system, ids in waiting):
                return
            for system, ids in waiting:
                if ids:
                    self.index_messages(system, ids[:10], self.handler(system))
            self.tick(timedelta(minutes=1))
        raise AssertionError("the queue never becomes empty")

    def settle(self, finish: Callable[[], None] = lambda: None) -> None:
        """Empty the queues, and reconcile once."""
        finish()
        self.drain()
        self.tick(LONGER_THAN_ANY_DELAY)
        self.reconcile()
        self.drain()

    def check(self) -> None:
        """Assert that each index and the thumbnails equal the bucket."""
        objects = self.s3.current_objects(BUCKET)
        named: set[str] = set()
        for system in self.systems:
            entries = {each.document.ref.key: each for each in system.index.scan(embeddings=True)}
            expected = {key: _status(key, one.data or b"") for key, one in objects.items()}
            expected = {key: status for key, status in expected.items() if status}
            assert {key: each.document.status for key, each in entries.items()} == expected
            for key, scanned in entries.items():
                named |= self._check_record(scanned, objects[key])
            listed = [each.ref.key for each in system.index.list_entries()]
            assert sorted(listed) == sorted(entries), "a record is listed twice or never"
        thumbnails = set(self.s3.current_objects(DERIVED))
        assert thumbnails == named, (thumbnails - named, named - thumbnails)

    def _check_record(self, scanned: Any, version: Version) -> set[str]:
        """Assert that a record describes its object; returns the thumbnail that it names."""
        document, data = scanned.document, version.data or b""
        assert document.ref.bucket == BUCKET
        assert (document.etag, document.size) == (version.etag.strip('"'), len(data))
        assert document.last_modified == version.modified
        assert dict(document.metadata) == dict(version.metadata)
        if document.status is Status.REJECTED:
            assert document.thumbnail is None
            return set()
        words = data.removeprefix(PNG).decode()
        assert document.sha256 == hashlib.sha256(data).hexdigest()
        assert np.dot(scanned.embedding, vector(words)) > 0.9999
        assert document.neighbors is not None, "never compared with other images"
        thumbnail = self.s3.current(DERIVED, document.thumbnail)
        assert thumbnail, f"the thumbnail of {document.ref.key} is missing"
        assert thumbnail.data == f"small {words}".encode()
        assert document.thumbnail.startswith(f"{THUMBNAILS}{document.id}/")
        return {document.thumbnail}

    def _system(self) -> ModelSystem:
        model = f"model-{next(self._made)}"
        index = self._make_index(model, lambda: self.now)
        return ModelSystem(model, index, QueueClient(lambda: self.now))


def _status(key: str, data: bytes) -> Status | None:
    """The status that a record of this object must have; None for what is not an image."""
    if not (named_as_image(key) or data.startswith(PNG)):
        return None
    readable = data.startswith(PNG) and b"broken" not in data and len(data) <= LIMITS.file_bytes
    return Status.INDEXED if readable else Status.REJECTED


def reconciling(world: World) -> Worker:
    """A worker that reconciles until an error ends it."""

    def run() -> None:
        with suppress(Exception):
            world.reconcile()

    return Worker(run)
