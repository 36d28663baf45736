"""How long the parts of an answer took."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds that an answer took, and its parts."""

    embed: float
    search: float
    total: float


class Stopwatch:
    """Started when it is made; `embedded` marks where embedding ends and searching begins."""

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
