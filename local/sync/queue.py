"""What SQS is to the indexing function, in this process: redelivery, backoff, dead letters."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from imagesearch.states import Lag

MAX_RECEIVES = 5
FIRST_RETRY_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Message:
    """A body under way; `receives` counts how often it was handed out."""

    id: str
    body: str
    receives: int = 0


class EventQueue:
    """Hands each message out until it is settled; its methods may be called from any thread."""

    def __init__(
        self,
        max_receives: int = MAX_RECEIVES,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_receives = max_receives
        self._first_retry_seconds = first_retry_seconds
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: list[tuple[float, int, Message]] = []
        self._changed = threading.Condition()
        self._handed_out: set[str] = set()
        self._closed = False
        self.dead_letters: list[Message] = []

    def send(self, body: str) -> None:
        with self._changed:
            number = next(self._numbers)
            heapq.heappush(self._waiting, (self._clock(), number, Message(str(number), body)))
            self._changed.notify()

    def receive(self, limit: int, wait: float | None = None) -> list[Message]:
        """Up to `limit` messages; waits `wait` seconds for the first, None: until closed."""
        until = None if wait is None else self._clock() + wait
        with self._changed:
            while not self._closed and not self._is_due():
                if until is not None and self._clock() >= until:
                    return []
                self._changed.wait(self._pause(until))
            return [] if self._closed else self._take(limit)

    def settle(self, message: Message) -> None:
        """Never hand the message out again: it is done."""
        with self._changed:
            self._handed_out.discard(message.id)

    def retry(self, message: Message) -> None:
        """Hand a failed message out again later, each time twice as late, or give it up."""
        with self._changed:
            self._handed_out.discard(message.id)
            if message.receives >= self._max_receives:
                self.dead_letters.append(message)
                log.error("given up after %d tries: %s", message.receives, message.body)
                return
            due = self._clock() + self._first_retry_seconds * 2 ** (message.receives - 1)
            heapq.heappush(self._waiting, (due, next(self._numbers), message))
            self._changed.notify()

    def lag(self) -> Lag:
        """As SQS counts: what is to be tried again later is in flight, not waiting."""
        now = self._clock()
        with self._changed:
            due = sum(moment <= now for moment, _, _ in self._waiting)
            later = len(self._waiting) - due
            return Lag(waiting=due, in_flight=later + len(self._handed_out))

    def close(self) -> None:
        """Release everyone who waits; nothing is handed out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def _is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= self._clock()

    def _pause(self, until: float | None) -> float | None:
        """Seconds until something can happen by itself; None: nothing will."""
        ends = [self._waiting[0][0]] if self._waiting else []
        ends += [] if until is None else [until]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _take(self, limit: int) -> list[Message]:
        taken: list[Message] = []
        while len(taken) < limit and self._is_due():
            message = heapq.heappop(self._waiting)[2]
            message.receives += 1
            self._handed_out.add(message.id)
            taken.append(message)
        return taken
