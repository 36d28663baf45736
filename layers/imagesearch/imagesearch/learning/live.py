"""The adapter in use, as a running search function sees it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from imagesearch.domain.errors import ImageSearchError
from imagesearch.learning.adapters import AdapterStore, Pointer
from imagesearch.search.query_adapter import QueryAdapter

log = logging.getLogger(__name__)


class LiveAdapter:
    """Returns the adapter in use; reads the pointer at most once in `seconds`.

    A failing read, a damaged adapter or one of another model never fails a search: it is logged
    once, and the previous adapter remains in use.
    """

    def __init__(
        self,
        store: AdapterStore,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.seconds = seconds
        self._clock = clock
        self._read_at: float | None = None
        # Replaced together, because several threads search.
        self._live: tuple[int | None, QueryAdapter | None] = (None, None)
        self._problem = ""

    def __call__(self) -> QueryAdapter | None:
        now = self._clock()
        # A negative time: the clock of a restored snapshot may be behind the one it was read by.
        if self._read_at is None or not 0 <= now - self._read_at < self.seconds:
            self._read_at = now
            try:
                self._follow(self._store.pointer())
                self._problem = ""
            except ImageSearchError as error:
                self._report(error.message)
        return self._live[1]

    def _follow(self, pointer: Pointer) -> None:
        number = pointer.number
        if number != self._live[0]:
            adapter = None if number is None else self._store.get(number).query_adapter
            self._live = number, adapter

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("the query adapter is not read: %s", problem)
        self._problem = problem
