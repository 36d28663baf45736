"""Histories of a bucket: changes, messages in any order, interleaved and killed workers, faults."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from imagesearch.domain.errors import Unavailable
from tests.integration.truth.steps import Call, Fault, When, Worker
from tests.integration.truth.world import CONTENTS, KEYS, ModelSystem, World, reconciling
from tests.support.aws.memory_s3 import error_of
from tests.support.fakes import BUCKET

URL = "https://service.test"
SERVICE_ERRORS = (
    lambda name: error_of(name, "InternalError", 500),
    lambda name: error_of(name, "SlowDown", 503),
    lambda name: error_of(name, "ThrottlingException", 429),
    lambda _: ReadTimeoutError(endpoint_url=URL),
    lambda _: EndpointConnectionError(endpoint_url=URL),
    lambda _: ConnectionClosedError(endpoint_url=URL),
)
INDEX_ERRORS = (
    lambda _: Unavailable("OpenSearch answered 429"),
    lambda _: Unavailable("the request timed out"),
)
MACHINE_ERRORS = (
    lambda _: MemoryError(),
    lambda _: OSError(28, "No space left on device"),
    lambda _: RuntimeError("a defect"),
)
keys = st.sampled_from(KEYS)
# Most contents are images.
contents = st.sampled_from((*CONTENTS, *3 * ("cat", "dog")))
metadata = st.sampled_from(({}, {}, {"camera": "X100"}, {"label": "holiday"}))
# One event in ten is lost; others are sent once or twice.
deliveries = st.sampled_from((0, 1, 1, 1, 1, 1, 1, 1, 2, 2))
numbers = st.integers(0, 7)
moments = st.sampled_from(When)
slots = st.integers(0, 1)
picks = st.lists(numbers, min_size=1, max_size=3)


@dataclass
class Delivery:
    """A function that processes messages."""

    worker: Worker
    system: ModelSystem | None


class History(RuleBasedStateMachine):
    """One history; at its end the queue is emptied, and one reconciliation runs."""

    def make_world(self) -> World:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.running: list[Delivery] = []
        self.handlers: dict[tuple[str, int], Any] = {}
        self.sent: list[Call] = []

    @rule(key=keys, content=contents, metadata=metadata, times=deliveries)
    def put(self, key: str, content: str, metadata: dict[str, str], times: int) -> None:
        data = CONTENTS[content]
        self._changes(times)
        self.world.s3.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata=metadata)
        self._changed(key, times)

    @rule(source=keys, key=keys, metadata=metadata, times=deliveries)
    def copy(self, source: str, key: str, metadata: dict[str, str], times: int) -> None:
        """Copy an object to another key, or onto itself with other metadata."""
        if self.world.s3.current(BUCKET, source):
            self._changes(times)
            self.world.s3.copy_object(
                Bucket=BUCKET,
                Key=key,
                CopySource={"Bucket": BUCKET, "Key": source},
                Metadata=metadata,
                MetadataDirective="REPLACE" if source == key else "COPY",
            )
            self._changed(key, times)

    @rule(key=keys, times=deliveries)
    def delete(self, key: str, times: int) -> None:
        self._changes(times)
        self.world.s3.delete_object(Bucket=BUCKET, Key=key)
        self._changed(key, times)

    @rule(key=keys, number=numbers, times=deliveries)
    def restore(self, key: str, number: int, times: int) -> None:
        """Copy an older version onto the current one."""
        versions = [
            each for each in self.world.s3.versions[BUCKET].get(key, []) if each.data is not None
        ]
        if versions:
            source = versions[number % len(versions)]
            self._changes(times)
            self.world.s3.copy_object(
                Bucket=BUCKET,
                Key=key,
                CopySource={"Bucket": BUCKET, "Key": key, "VersionId": source.id},
            )
            self._changed(key, times)

    @rule(key=keys, times=deliveries)
    def undelete(self, key: str, times: int) -> None:
        """Delete the delete marker: the object returns with its old time and ETag."""
        versions = self.world.s3.versions[BUCKET].get(key, [])
        if versions and versions[-1].data is None:
            self._changes(times)
            self.world.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=versions[-1].id)
            self._changed(key, times)

    @rule(slot=slots, next_model=st.booleans(), picks=picks)
    def process(self, slot: int, next_model: bool, picks: list[int]) -> None:
        """A function receives messages, and no other one interferes."""
        self.receive(slot, next_model, picks)
        if self.running:
            self.running[-1].worker.finish()
        self._remove_ended()

    @rule(slot=slots, next_model=st.booleans(), picks=picks)
    def receive(self, slot: int, next_model: bool, picks: list[int]) -> None:
        """A function receives messages in any order; others may have received them, too."""
        system = self.world.systems[-1 if next_model else 0]
        if waiting := system.queue.waiting():
            ids = list(dict.fromkeys(waiting[pick % len(waiting)] for pick in picks))
            process = system.model, slot
            if process not in self.handlers:
                self.handlers[process] = self.world.handler(system)
            handler = self.handlers[process]
            worker = Worker(lambda: self.world.index_messages(system, ids, handler))
            self._runs(Delivery(worker, system))

    @rule()
    def reconcile(self) -> None:
        self._runs(Delivery(reconciling(self.world), None))

    @precondition(lambda self: self.running)
    @rule(number=numbers, steps=st.integers(1, 12))
    def step(self, number: int, steps: int) -> None:
        worker = self._worker(number)
        for _ in range(steps):
            if not worker.ended:
                self.world.tick(timedelta(milliseconds=20))
                worker.step()
        self._remove_ended()

    @precondition(lambda self: self.running)
    @rule(number=numbers, steps=st.integers(0, 12), kind=st.integers(0, 8), when=moments)
    def fail(self, number: int, steps: int, kind: int, when: When) -> None:
        """Break the call of a port after some more."""
        worker = self._worker(number)
        for _ in range(steps):
            if not worker.ended:
                worker.step()
        if not worker.ended:
            worker.step(Fault(_error(worker.pending, kind), when))
        self._remove_ended()

    @precondition(lambda self: self.running)
    @rule(number=numbers, steps=st.integers(0, 12), in_flight=st.booleans())
    def kill(self, number: int, steps: int, in_flight: bool) -> None:
        """End a process after some calls; its last request may be received later."""
        delivery = self.running[number % len(self.running)]
        for _ in range(steps):
            if not delivery.worker.ended:
                delivery.worker.step()
        if not delivery.worker.ended:
            sent = delivery.worker.kill()
            if sent and in_flight:
                self.sent.append(sent)
        self.handlers.clear()
        self._remove_ended()

    @precondition(lambda self: self.sent)
    @rule(number=numbers)
    def arrive(self, number: int) -> None:
        """A request of a killed process is received."""
        self._arrive(self.sent.pop(number % len(self.sent)))

    @rule(passed=st.sampled_from((timedelta(seconds=40), timedelta(minutes=10))))
    def wait(self, passed: timedelta) -> None:
        self.world.tick(passed)

    @rule()
    def start_next_model(self) -> None:
        if self.world.next is None:
            self.world.start_next_model()

    @precondition(lambda self: self.world.next)
    @rule(switch=st.booleans())
    def end_next_model(self, switch: bool) -> None:
        """Switch to the next model or give it up, after the functions of the old one have ended."""
        old = self.world.current if switch else self.world.next
        for delivery in self.running:
            if delivery.system in (old, None):
                delivery.worker.finish()
        for call in self.sent:
            self._arrive(call)
        self.sent = []
        self._remove_ended()
        if switch:
            self.world.switch_model()
        else:
            self.world.drop_next_model()

    def teardown(self) -> None:
        self.world.settle(self._finish)
        self.world.check()

    def _changes(self, times: int) -> None:
        """Before a change whose event is delivered this often, let its second begin if necessary.

        Without an event, S3 does not show a second change within the same second.
        """
        if not times:
            self.world.tick(timedelta(seconds=1))

    def _changed(self, key: str, times: int) -> None:
        self.world.notify(key, times)
        self.world.tick(timedelta(milliseconds=300) if times else timedelta(seconds=1))

    def _runs(self, delivery: Delivery) -> None:
        self.running.append(delivery)
        self._remove_ended()

    def _worker(self, number: int) -> Worker:
        return self.running[number % len(self.running)].worker

    def _remove_ended(self) -> None:
        self.running = [each for each in self.running if not each.worker.ended]

    def _arrive(self, call: Call) -> None:
        try:
            call.make()
        except Exception:
            return

    def _finish(self) -> None:
        for delivery in self.running:
            delivery.worker.finish()
        for call in self.sent:
            self._arrive(call)


def _error(call: str, kind: int) -> Any:
    service = call.partition(".")[0]
    own = {"index": INDEX_ERRORS, "encoder": INDEX_ERRORS}.get(service, SERVICE_ERRORS)
    errors = (*own, *MACHINE_ERRORS)
    return errors[kind % len(errors)]
