"""Claims about waiting in the smoke test, with a clock that advances by sleeping."""

from collections.abc import Callable, Iterator

import pytest

from local.smoke.results import Check, CheckFailed, Result, run_check
from local.smoke.timing import Stopwatch, Timing


class Clock:
    seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def watch(self) -> Stopwatch:
        return Stopwatch(Timing(now=lambda: self.seconds, sleep=self.sleep))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def scripted(*results: list[str]) -> Callable[[], list[str]]:
    """Returns these results in order, and then the last one forever."""
    left = list(results)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_progress_extends_a_wait(clock):
    slow = [["c", "b", "a"]] * 80 + [["b", "a"]] * 80 + [["a"]] * 60 + [[]]
    said: list[str] = []
    clock.watch().wait(scripted(*slow), said.append)
    assert clock.seconds > 200
    assert said == [f"waiting for {left} images" for left in (2, 1)]


def test_a_wait_without_progress_ends_and_names_what_is_missing(clock):
    with pytest.raises(CheckFailed, match="no change for 90 s; waiting for a, b"):
        clock.watch().wait(lambda: ["a", "b"], lambda _: None)


def test_steady_progress_does_not_exceed_the_time_limit(clock):
    counted: Iterator[int] = iter(range(10_000))
    watch = clock.watch()
    with pytest.raises(CheckFailed):
        watch.wait(lambda: [str(next(counted))], lambda _: None)
    assert clock.seconds == 240
    late = run_check(watch.in_time(Check("list", lambda: "done", "")), [], lambda: clock.seconds)
    assert late.result is Result.FAILED
    assert "time limit of 240 s" in late.details


def test_a_check_is_repeated_while_replicas_differ(clock):
    found = scripted([], [], ["a"])

    def check() -> list[str]:
        if not (keys := found()):
            raise CheckFailed("not found")
        return keys

    assert clock.watch().settled(check) == ["a"]
    assert clock.seconds == 2


def test_a_check_that_keeps_failing_fails_after_ten_seconds(clock):
    def check() -> None:
        raise CheckFailed("not found")

    with pytest.raises(CheckFailed, match="not found"):
        clock.watch().settled(check)
    assert clock.seconds == 10
