"""Waiting in tests: without limit while there is progress, so that slow machines pass."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

# No step of these tests takes a minute on an idle machine. The timeout only distinguishes a hang
# from slow work. Pass it wherever a library requires a timeout.
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS, PROGRESS_SECONDS = 0.02, 1.0
# A condition is evaluated for a fifth of the time at most: what is waited for needs the CPU.
PAUSE_RATIO = 4
# A pause grows with the wait, which it extends by a twentieth at most.
WAIT_RATIO = 0.05


def eventually(
    what: str,
    condition: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    *,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Wait until the condition is true; fail with `what` when there is no progress.

    progress: a value that changes while the work advances, for example the number of completed
    items. The wait fails `seconds` after its last change, and never before PATIENCE_SECONDS.
    """
    patience = max(seconds, PATIENCE_SECONDS)
    seen, begun = progress(), time.monotonic()
    changed = checked = begun
    while True:
        started = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now - checked >= PROGRESS_SECONDS:
            checked = now
            if (found := progress()) != seen:
                seen, changed = found, now
        assert now - changed < patience, f"not within {patience:g} s: {what} (progress: {seen})"
        pause = max(PAUSE_SECONDS, PAUSE_RATIO * (now - started), WAIT_RATIO * (now - begun))
        time.sleep(min(pause, PROGRESS_SECONDS))


def run(command: Any, **options: Any) -> "subprocess.CompletedProcess[str]":
    """`subprocess.run` with output as text; a process that hangs is killed."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, **options
    )
