"""Threads of the HTTP server, in lanes: pages and the health check wait for no search and no file.

Searches wait in a bounded queue. A request that finds it full gets a 503 at once, so that a server
under load answers as many searches as it can, and each of them soon.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from local.web.errors import OVERLOADED

API, HEALTH = "/v1/", "/v1/health"
FILES = ("/files/", "/thumbnails/")
# More than cores: some wait for a decoder process, for OpenSearch or for an image from the web.
SEARCH_THREADS = 8
FILE_THREADS = 4
PAGE_THREADS = 2
# A queue of half a second to two seconds, at 20 to 80 searches per second.
WAITING_SEARCHES = 32
WAITING_FILES = 256


@dataclass(frozen=True, slots=True)
class _Task:
    """A task that is counted until it ends."""

    task: Any
    ended: Callable[[], None]

    def service(self) -> None:
        try:
            self.task.service()
        finally:
            self.ended()

    def cancel(self) -> None:
        self.task.cancel()


class Lane(ThreadedTaskDispatcher):
    """Threads with a queue of their own."""

    def __init__(self, threads: int, waiting: int) -> None:
        """Start the threads, in addition to which `waiting` tasks are accepted."""
        super().__init__()
        self._limit = threads + waiting
        self._accepted = 0
        self.set_thread_count(threads)

    def offer(self, task: Any) -> bool:
        """Add a task, unless the queue is full."""
        with self.lock:
            if self._accepted >= self._limit:
                return False
            self._accepted += 1
            counted: Any = _Task(task, self._ended)
            self.queue.append(counted)
            self.queue_cv.notify()
        return True

    def _ended(self) -> None:
        with self.lock:
            self._accepted -= 1


class Lanes:
    """Implements the task dispatcher of waitress, whose tasks are connections with a request."""

    def __init__(self) -> None:
        self._pages = Lane(PAGE_THREADS, sys.maxsize)
        self._files = Lane(FILE_THREADS, WAITING_FILES)
        self._searches = Lane(SEARCH_THREADS, WAITING_SEARCHES)

    def add_task(self, channel: Any) -> None:
        request = channel.requests[0]
        lane = self._pages if request.error else self._lane(request.path)
        if not lane.offer(channel):
            request.error = OVERLOADED
            self._pages.offer(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> None:
        for lane in (self._searches, self._files, self._pages):
            lane.shutdown(cancel_pending, timeout)

    def _lane(self, path: str) -> Lane:
        """By the path, which may begin with the prefix of a reverse proxy."""
        if any(prefix in path for prefix in FILES):
            return self._files
        is_search = API in path and not path.endswith(HEALTH)
        return self._searches if is_search else self._pages
