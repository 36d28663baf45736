"""Time limits of the smoke test, and waiting until nothing is missing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from local.smoke.results import Check, CheckFailed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """The limits in seconds, and the clock.

    Checks start and wait for `total` seconds at most, and a wait ends when nothing has changed for
    `patience` seconds. Searches have `settle` seconds to agree with lists: a replica can show a
    change later than another.
    """

    total: float = 240.0
    patience: float = 90.0
    settle: float = 10.0
    poll: float = 1.0
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Stopwatch:
    """The time since its creation."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._started = timing.now()

    def in_time(self, check: Check) -> Check:
        """The check, or one that fails at once if the time is over."""
        return replace(check, run=self._time_is_over) if self._is_over() else check

    def wait(self, missing: Callable[[], list[str]], say: Callable[[str], None]) -> None:
        """Wait until nothing is missing; a change is progress. Raises CheckFailed."""
        timing = self._timing
        before, changed = missing(), timing.now()
        while before:
            if self._is_over() or timing.now() - changed >= timing.patience:
                raise CheckFailed(
                    f"no change for {timing.now() - changed:.0f} s; waiting for {', '.join(before)}"
                )
            timing.sleep(timing.poll)
            if (after := missing()) != before:
                before, changed = after, timing.now()
                if before:
                    say(f"waiting for {len(before)} images")

    def settled(self, check: Callable[[], T]) -> T:
        """The result of a check, which is repeated while it fails and `settle` is not over."""
        started = self._timing.now()
        while True:
            try:
                return check()
            except CheckFailed:
                if self._is_over() or self._timing.now() - started >= self._timing.settle:
                    raise
            self._timing.sleep(self._timing.poll)

    def _is_over(self) -> bool:
        return self._timing.now() - self._started >= self._timing.total

    def _time_is_over(self) -> str:
        raise CheckFailed(f"the time limit of {self._timing.total:.0f} s has been reached")
