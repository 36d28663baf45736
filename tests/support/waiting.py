"""Waiting in tests: without limit while there is progress, so that slow machines pass."""

import subprocess
import time
from collections.abc import Callable
from os import SEEK_END
from tempfile import TemporaryFile
from typing import Any

import psutil

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
    """`subprocess.run` with output as text; a process that hangs is killed.

    It hangs if neither its output nor the CPU time of its process tree grows.
    """
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True, **options)
        try:
            eventually(
                f"{command[0]} ended",
                lambda: process.poll() is not None,
                progress=lambda: (out.seek(0, SEEK_END), err.seek(0, SEEK_END), _cpu(process.pid)),
            )
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, out.read(), err.read())


def _cpu(pid: int) -> int:
    """CPU seconds of a process and its descendants; an ended one has 0."""
    seconds = 0.0
    try:
        parent = psutil.Process(pid)
        for each in (parent, *parent.children(recursive=True)):
            times = each.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    except psutil.Error:
        pass
    return round(seconds)
