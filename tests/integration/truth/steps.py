"""Workers that stop before each call of a port, where the test interleaves, kills or breaks them.

Each worker is a greenlet. A port call switches to the test, which decides when the call is made,
and how it fails.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Killed(BaseException):
    """Ends a worker between two steps, as the end of its process does: nothing handles it."""


class When(StrEnum):
    """The moment of a fault. HALF: a part of a bulk is written before the request fails."""

    BEFORE = "before"
    AFTER = "after"
    HALF = "half"


@dataclass(frozen=True)
class Fault:
    """An exception instead of the call, after the call or after a half of it."""

    error: Callable[[str], BaseException]
    when: When = When.BEFORE


@dataclass(frozen=True)
class Call:
    """A call of a port that a worker is about to make."""

    name: str
    make: Callable[[], object]


class Worker:
    """Runs a function up to the next call of a port."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self._greenlet = greenlet(self._main)
        self._pending: Call | None = self._greenlet.switch()

    @property
    def ended(self) -> bool:
        return bool(self._greenlet.dead)

    def step(self, fault: Fault | None = None) -> None:
        """Make the pending call, and run up to the next one."""
        self._pending = self._greenlet.switch(fault)

    @property
    def pending(self) -> str:
        """The name of the call that is about to be made."""
        return self._pending.name if self._pending else ""

    def finish(self) -> None:
        """Make all remaining calls."""
        while not self.ended:
            self.step()

    def kill(self) -> Call | None:
        """End the worker before its pending call, which it may have sent."""
        sent = self._pending
        self._greenlet.throw(Killed)
        return sent

    def _main(self) -> None:
        with suppress(Killed):
            self._run()


def port_call(name: str, call: Callable[[], T], half: Callable[[], object] = lambda: None) -> T:
    """Make a call of a port when the test says so; outside a worker, at once."""
    parent = getcurrent().parent
    if parent is None:
        return call()
    fault: Fault | None = parent.switch(Call(name, call))
    if fault is None:
        return call()
    if fault.when is When.AFTER:
        call()
    if fault.when is When.HALF:
        half()
    raise fault.error(name)


@dataclass(frozen=True)
class SteppedClient:
    """An S3 or SQS client whose requests are port calls, each page of a listing one of its own."""

    client: Any
    service: str

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return lambda **request: port_call(f"{self.service}.{name}", lambda: method(**request))

    def close(self) -> None:
        """Nothing is open."""

    def get_paginator(self, operation: str) -> Any:
        return type(self.client.get_paginator(operation))(self)


ENTRIES_PER_PAGE = 2


class SteppedIndex:
    """An index whose methods are port calls, each page of its entries one of its own."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)
        if not callable(method):
            return method
        return lambda *values, **named: port_call(f"index.{name}", lambda: method(*values, **named))

    def write(self, writes: Any) -> Any:
        half = writes[: len(writes) // 2]
        return port_call(
            "index.write", lambda: self._index.write(writes), lambda: self._index.write(half)
        )

    def list_entries(self, *, after: str = "") -> Iterator[Any]:
        while page := port_call("index.list_entries", partial(self._page, after)):
            yield from page
            after = page[-1].ref.key

    def _page(self, after: str) -> list[Any]:
        """Keys are not divided: several buckets may have the same one."""
        entries = self._index.list_entries(after=after)
        page = list(islice(entries, ENTRIES_PER_PAGE))
        while page and (more := next(entries, None)) and more.ref.key == page[-1].ref.key:
            page.append(more)
        return page


class SteppedEncoder:
    """An encoder whose embedding is a port call."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.model, self.decoder = encoder.model, encoder.decoder

    def encode_images(self, images: Any, details: Any = None) -> Any:
        return port_call("encoder", lambda: self._encoder.encode_images(images, details))


class SerialExecutor(Executor):
    """Runs each task at once, in the thread of its caller: a greenlet stays in its thread."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def submit(self, fn: Callable[..., T], /, *values: Any, **named: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*values, **named))
        except Exception as error:
            future.set_exception(error)
        return future
