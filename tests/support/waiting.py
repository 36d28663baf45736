"""How tests wait: as long as it takes on a slow or busy machine, but not for what stands still."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

# Nothing in these tests takes a minute on an idle machine. A bound of time tells a hang from slow
# work, and nothing else: what fails by it is a hang. Pass it wherever a library wants a timeout.
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS, PROGRESS_SECONDS = 0.02, 1.0
# A condition is evaluated for a fifth of the time at most: what is waited for needs the CPU.
PAUSE_RATIO = 4


def eventually(
    what: str,
    condition: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    *,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Wait until the condition holds; fail with `what` was waited for when nothing moves on.

    progress: a value that changes as the work goes on, for example how much is done. The wait is
    given up `seconds` after the last change of it, and never before PATIENCE_SECONDS.
    """
    patience = max(seconds, PATIENCE_SECONDS)
    seen, changed = progress(), time.monotonic()
    looked = changed
    while True:
        started = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now - looked >= PROGRESS_SECONDS:
            looked = now
            if (found := progress()) != seen:
                seen, changed = found, now
        assert now - changed < patience, f"not within {patience:g} s: {what} (progress: {seen})"
        time.sleep(min(max(PAUSE_SECONDS, PAUSE_RATIO * (now - started)), PROGRESS_SECONDS))


def run(command: Any, **options: Any) -> "subprocess.CompletedProcess[str]":
    """`subprocess.run` with its output as text; a process that hangs is killed."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, **options
    )
