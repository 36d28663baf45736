"""Timing of the two phases of an answer: embedding and searching."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds for embedding the query, for searching the index, and for both."""

    embed: float
    search: float
    total: float


class Stopwatch:
    """Starts on creation; `embedded` marks the end of embedding and the start of searching."""

    def __init__(self) -> None:
        self._started = self._embedded = time.perf_counter()

    def embedded(self) -> None:
        self._embedded = time.perf_counter()

    def read(self) -> Timing:
        now = time.perf_counter()
        return Timing(
            embed=_milliseconds(self._embedded - self._started),
            search=_milliseconds(now - self._embedded),
            total=_milliseconds(now - self._started),
        )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
