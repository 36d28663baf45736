"""Decoder pool: decoder processes that are started on demand and replaced when they die."""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar

from imagesearch.domain.deadline import TimeLeft, current_time_left, is_query
from imagesearch.domain.errors import OutOfTime, UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.cores import usable_cores
from imagesearch.embedding.decoding.preprocessing import (
    DecodingCost,
    Picture,
    Preprocessing,
    cpu_seconds,
)
from imagesearch.embedding.decoding.workers import protocol
from imagesearch.embedding.decoding.workers.process import (
    COMMAND,
    CpuBudget,
    CpuTimeExceeded,
    DecoderDied,
    DecoderProcess,
    DecoderTimedOut,
    DecodingTime,
    Result,
    Work,
)

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
        self._processes = processes or min(_MAX_PROCESSES, usable_cores())
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
