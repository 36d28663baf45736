"""A decoder process: its start, one request at a time, and the causes of its death."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Generic, TypeVar

from imagesearch.domain.deadline import TimeLeft
from imagesearch.domain.errors import ConfigurationError, Unavailable, UnreadableImage
from imagesearch.embedding.decoding.preprocessing import DecodingCost
from imagesearch.embedding.decoding.workers import protocol

COMMAND = (
    sys.executable,
    "-P",
    "-W",
    "ignore",
    "-m",
    "imagesearch.embedding.decoding.workers.worker",
)
# Only these variables are passed: a compromised decoder must not find credentials.
_PASSED_VARIABLES = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "SYSTEMROOT",  # Windows starts no Python without it
)
# Memory is kept for the next image: returning it to the kernel and faulting it in again takes as
# long as decoding. Blocks over 32 MiB, the limit of glibc, are returned regardless.
_MALLOC_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
_STOP_SECONDS = 2.0
Result = TypeVar("Result")


class DecoderDied(Exception):
    """The process ended before it responded; the message is the cause."""


class DecoderTimedOut(DecoderDied):
    """The process exceeded its time limit."""


class CpuTimeExceeded(DecoderDied):
    """The process exceeded the CPU time for the size of its file."""


@dataclass(frozen=True, slots=True)
class Work(Generic[Result]):
    """A file, what to make of it, the conversion of the response, and what that may cost."""

    data: bytes
    head: Mapping[str, object]
    read: Callable[[protocol.WorkerMessage], Result]
    cost: DecodingCost


class CpuBudget:
    """The CPU time in seconds that is left for the files of one request; thread-safe."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._lock = threading.Lock()

    def limited(self, cost: DecodingCost) -> DecodingCost:
        """`cost` with the CPU time that is left, at most."""
        return replace(cost, cpu_seconds=min(cost.cpu_seconds, self._left))

    def spend(self, seconds: float) -> None:
        with self._lock:
            self._left -= seconds


@dataclass(frozen=True, slots=True)
class DecodingTime:
    """The time limit of one image in seconds, and the time left of the request that it is part of.

    Waiting for other images counts as time of the request only.
    """

    seconds: float
    time_left: TimeLeft

    @property
    def timer(self) -> float:
        """The seconds that decoding may take from now on; a timer of 0 would not run."""
        return max(0.001, min(self.seconds, self.time_left()))

    @property
    def patience(self) -> float:
        """The seconds to wait for other images."""
        return max(0.0, min(self.time_left(), threading.TIMEOUT_MAX))


class DecoderProcess:
    """A running decoder process; not to be used by several threads at once."""

    def __init__(self, memory_bytes: int, command: Sequence[str] = COMMAND) -> None:
        """Start the process.

        Raises Unavailable if it cannot be started, ConfigurationError if the decoder fails to load.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                process_group=0,
            )
        except OSError as error:
            raise Unavailable(f"no decoder process can be started: {error}") from error
        try:
            self.decoder = str(self._request({"memory_bytes": memory_bytes}).head["decoder"])
        except DecoderDied as death:
            self.stop()
            raise ConfigurationError(
                f"the decoder process does not start: it {death}",
                "read its message in the log, and check that pillow and pi-heif are installed",
            ) from death

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(
        self,
        work: Work[Result],
        limit: DecodingTime,
        budget: CpuBudget,
        large_bytes: int,
        turn: threading.Lock,
    ) -> Result | UnreadableImage:
        """Decode a file within `limit`, at the expense of `budget`; raises DecoderDied.

        An image with an expected memory above `large_bytes` is decoded while `turn` is held.
        """
        head = {
            **work.head,
            "seconds": limit.timer,
            "cpu_seconds": work.cost.cpu_seconds,
            "memory_bytes": work.cost.memory_bytes,
            "large_bytes": large_bytes,
        }
        response = self._request(head, work.data)
        while "large" in response.head:
            response = self._large(limit, turn)
        try:
            budget.spend(float(response.head["cpu_seconds"]))
            if "error" in response.head:
                return UnreadableImage(*response.head["error"])
            return work.read(response)
        except (KeyError, TypeError, ValueError):
            # A process with corrupted memory may send an invalid response before it dies.
            self._process.kill()
            raise self._death() from None

    def _large(self, limit: DecodingTime, turn: threading.Lock) -> protocol.WorkerMessage:
        """The response to a large image, which is decoded when it has its turn."""
        if not turn.acquire(timeout=limit.patience):
            self._process.kill()
            raise DecoderTimedOut("waited for its turn until the deadline")
        try:
            return self._request({"seconds": limit.timer})
        finally:
            turn.release()

    def stop(self) -> None:
        """End the process and collect its exit status, so that it does not become a zombie."""
        with contextlib.suppress(OSError):
            self._pipes[0].close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipes[1].close()

    def _request(self, head: dict[str, object], body: bytes = b"") -> protocol.WorkerMessage:
        requests, responses = self._pipes
        try:
            protocol.send(requests, head, body)
            return protocol.receive(responses)
        except (OSError, EOFError, ValueError):
            # ValueError: an invalid message, as above.
            raise self._death() from None

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdin, self._process.stdout

    def _death(self) -> DecoderDied:
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status >= 0:  # also on Windows, which has none of the signals
            return DecoderDied(f"ended with status {status}")
        if status == -signal.SIGALRM:
            return DecoderTimedOut("ran out of time")
        if status == -signal.SIGPROF:
            return CpuTimeExceeded("ran out of CPU time")
        return DecoderDied(f"ended by {signal.Signals(-status).name}")


def _environment() -> dict[str, str]:
    """The variables of the process: the module search path of this one, single-threaded BLAS."""
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    single_threaded = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return passed | single_threaded | _MALLOC_SETTINGS | {"PYTHONPATH": path}
