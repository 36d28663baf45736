"""The event source of Lambda: several function instances, each with one batch at a time."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.support.aws.cloud import Handler, Queue, event_of

# Between two requests for messages: longer and longer while there are none.
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 1.0


class LambdaService:
    """Runs within its context; `returned` has the ids of failed messages."""

    def __init__(self, queue: Queue, handlers: Sequence[Handler]) -> None:
        self._queue = queue
        self._handlers = handlers
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(len(handlers))
        self._ends: list[Future[None]] = []
        self.returned: set[str] = set()

    def __enter__(self) -> "LambdaService":
        self._ends = [self._threads.submit(self._work, handler) for handler in self._handlers]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()
        for end in self._ends:
            end.result()

    def _work(self, handler: Handler) -> None:
        pause = PAUSE_SECONDS
        while not self._ended.is_set():
            if messages := self._queue.receive():
                self._deliver(messages, handler)
                pause = PAUSE_SECONDS
            else:
                self._ended.wait(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)

    def _deliver(self, messages: list[dict[str, Any]], handler: Handler) -> None:
        answer = handler(event_of(messages))
        self._queue.settle(messages, answer)
        self.returned |= {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
