"""Decoder pool: decoder processes that are started on demand and replaced when they die."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Generic, TypeVar

from imagesearch.domain.deadline import TimeLeft, current_time_left, is_query
from imagesearch.domain.errors import (
    ConfigurationError,
    OutOfTime,
    Unavailable,
    UnreadableImage,
)
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding import protocol
from imagesearch.embedding.decoding.preprocessing import (
    DecodingCost,
    Picture,
    Preprocessing,
    cpu_seconds,
)

COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "imagesearch.embedding.decoding.worker")
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
_MAX_PROCESSES = 2
_TIMEOUT_SECONDS = 30.0
# The memory limit of DecodingLimits, the file and the interpreter.
MEMORY_BYTES = 1_200 * 2**20
# Images above this expected memory are decoded one at a time.
_LARGE_BYTES = 200 * 10**6
_PREFETCH = 8
_MAX_ATTEMPTS = 2
# A decoder that ended this close to the deadline was ended by the deadline.
_DEADLINE_TOLERANCE = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


class DecoderPool:
    """Decodes files in decoder processes; may be used from several threads.

    A file that crashes its decoder affects no other file. It is decoded once more in a new process,
    because the first one may have died for another reason.
    """

    def __init__(
        self,
        processes: int | None = None,
        seconds: float = _TIMEOUT_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._processes = processes or min(_MAX_PROCESSES, os.cpu_count() or 1)
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._command = command
        self._idle: list[DecoderProcess] = []
        self.large_turn = threading.Lock()
        self._threads = ThreadPoolExecutor(self._processes, thread_name_prefix="decoder")
        self._decoder = ""
        self._finalizer = weakref.finalize(self, _stop, self._idle)

    @property
    def decoder(self) -> str:
        """The decoder's name and version, as reported by a decoder process."""
        if not self._decoder:
            self._idle.append(self._process_from_pool())
        return self._decoder

    def decode_in_order(
        self,
        images: Iterable[bytes],
        preprocessing: Preprocessing,
        details: DetailOptions | None = None,
    ) -> Iterator[Picture | UnreadableImage]:
        """The results in the order of `images`; prefetches a bounded number of them.

        The cost of the images of a query is limited by their size. Images that are not decoded
        before the deadline of the caller are OutOfTime.
        """
        time_left, of_query, budget = current_time_left(), is_query(), CpuBudget(math.inf)
        if of_query:
            images = list(images)
            budget = CpuBudget(cpu_seconds(sum(map(len, images))))

        head = {
            "preprocessing": preprocessing.as_json(),
            "details": asdict(details) if details else None,
        }

        def decode(data: bytes) -> Picture | UnreadableImage:
            cost = DecodingCost.of_query(len(data)) if of_query else DecodingCost()
            work = Work(data, head, protocol.read_picture, budget.limited(cost))
            return self._decode(work, budget, time_left)

        return map_ordered(self._threads, decode, images, self._processes + _PREFETCH)

    def preview(self, data: bytes, longest_side: int) -> bytes:
        """A WebP file of the image, at most `longest_side` pixels wide and high.

        Raises UnreadableImage; OutOfTime at the deadline of the caller.
        """
        work = Work(data, {"preview": longest_side}, lambda message: message.body, DecodingCost())
        result = self._decode(work, CpuBudget(math.inf), current_time_left())
        if isinstance(result, UnreadableImage):
            raise result
        return result

    def close(self) -> None:
        """Stop the idle processes; the next image starts new ones."""
        _stop(self._idle)

    def _decode(
        self, work: Work[Result], budget: CpuBudget, time_left: TimeLeft
    ) -> Result | UnreadableImage:
        limit = DecodingTime(self._seconds, time_left)
        death = DecoderDied()
        for _ in range(_MAX_ATTEMPTS):
            if time_left() <= 0 or work.cost.cpu_seconds <= 0:
                return _out_of_time()
            process = self._process_from_pool()
            try:
                result = process.decode(work, limit, budget, _LARGE_BYTES, self.large_turn)
            except CpuTimeExceeded:
                process.stop()
                budget.spend(work.cost.cpu_seconds)
                return _too_much_cpu(work.cost, len(work.data))
            except DecoderTimedOut:
                process.stop()
                if time_left() <= _DEADLINE_TOLERANCE:
                    return _out_of_time()
                return UnreadableImage(
                    f"decoding took longer than {self._seconds:g} seconds",
                    "send a smaller copy of the image",
                    code="decoder_timeout",
                )
            except DecoderDied as died:
                process.stop()
                death = died
            except BaseException:
                process.stop()
                raise
            else:
                self._idle.append(process)
                return result
        return UnreadableImage(
            f"the decoder crashed on this file: it {death}",
            "convert the image to another format",
            code="decoder_crashed",
        )

    def _process_from_pool(self) -> DecoderProcess:
        """An idle process, or a new one; processes that died while idle are discarded."""
        while True:
            try:
                process = self._idle.pop()
            except IndexError:  # also where another thread took the last one
                break
            if process.alive:
                return process
            process.stop()
        process = DecoderProcess(self._memory_bytes, self._command)
        self._decoder = process.decoder
        return process


def _out_of_time() -> OutOfTime:
    return OutOfTime(
        "the image was not decoded in the time of the request",
        "send a smaller copy of the image, or fewer images in one request",
    )


def _too_much_cpu(cost: DecodingCost, size: int) -> UnreadableImage:
    return UnreadableImage(
        f"decoding takes more than {cost.cpu_seconds:.3g} seconds of CPU time, the limit for"
        f" this file of {size:,} bytes",
        "save the image again with an image editor, or send fewer images in one request",
        code="decoder_timeout",
    )


def _stop(idle: list[DecoderProcess]) -> None:
    while idle:
        idle.pop().stop()


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


def map_ordered(
    threads: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    max_pending: int,
) -> Iterator[Result]:
    """The results of `work` in the order of the items, computed in threads.

    At most `max_pending` items are started before the consumer takes the first result.
    """
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(threads.submit(work, item))
            if len(pending) >= max_pending:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _environment() -> dict[str, str]:
    """The variables of the process: the module search path of this one, single-threaded BLAS."""
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    single_threaded = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return passed | single_threaded | _MALLOC_SETTINGS | {"PYTHONPATH": path}
