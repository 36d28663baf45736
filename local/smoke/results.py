"""Results of the smoke test's checks: passed, failed or skipped, with time and details."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class CheckFailed(Exception):
    """The system responded, but not as expected; the message states both."""


class CheckSkipped(Exception):
    """The check does not apply; the message states why."""


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: `run` returns details and raises CheckFailed, CheckSkipped or any other error.

    It is skipped unless the checks in `needs` have passed. `hint` names the place of the cause if
    the check fails.
    """

    name: str
    run: Callable[[], str]
    hint: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check; `hint` is empty unless it failed."""

    check: str
    result: Result
    seconds: float
    details: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "result": self.result.value,
            "seconds": round(self.seconds, 2),
            "details": self.details,
            "hint": self.hint,
        }

    def as_row(self) -> tuple[str, str, str, str]:
        """Check, result, time, and details with the hint."""
        details = f"{self.details}\nCheck: {self.hint}" if self.hint else self.details
        return self.check, self.result.value, f"{self.seconds:.1f} s", details


def run_check(
    check: Check, earlier: Sequence[CheckResult], now: Callable[[], float]
) -> CheckResult:
    """Run a check after earlier ones; `now` returns seconds."""
    started = now()
    passed = {each.check for each in earlier if each.result is Result.PASSED}
    if missing := [name for name in check.needs if name not in passed]:
        return CheckResult(check.name, Result.SKIPPED, 0.0, f"needs: {', '.join(missing)}")
    result, details, hint = _outcome(check)
    return CheckResult(check.name, result, now() - started, details, hint)


def _outcome(check: Check) -> tuple[Result, str, str]:
    try:
        return Result.PASSED, check.run(), ""
    except CheckSkipped as reason:
        return Result.SKIPPED, str(reason), ""
    except Exception as error:  # any error is the result of a check, and the others still run
        return Result.FAILED, _message(error), check.hint


def _message(error: Exception) -> str:
    """The message in one line; with the type for errors whose message does not explain them."""
    text = " ".join(str(error).split())
    expected = isinstance(error, CheckFailed) or type(error).__name__ == "ApiError"
    return text if expected else f"{type(error).__name__}: {text}"
