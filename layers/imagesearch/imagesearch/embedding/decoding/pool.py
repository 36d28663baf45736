"""One decoder child process, seen from its parent.

Work in threads, its results in order: ahead of who takes them, and not too far.

Decoder children: as many as there are cores, started when needed, replaced when they die.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TypeVar

from imagesearch.domain.errors import ConfigurationError, Unavailable, UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding import protocol
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing

COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "imagesearch.embedding.decoding.worker")
# A decoder that a picture took over should find no credentials in its environment.
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PATH", "LANG", "TZ", "TMPDIR")
# What a picture took is kept for the next one: to give it back to the kernel and fault it in anew
# costs as much as decoding. Pieces over 32 MiB, glibc's bound, go back all the same.
_KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
_STOP_SECONDS = 2.0


class DecoderDied(Exception):
    """The child ended before it answered; says how."""


class DecoderTimedOut(DecoderDied):
    """The child ended because its time was over."""


class DecoderProcess:
    """A running child; used by one thread at a time."""

    def __init__(self, memory_bytes: int, command: Sequence[str] = COMMAND) -> None:
        """Start it. Raises Unavailable where no process can be started, ConfigurationError
        where the decoder's code does not run.
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
            self.decoder = str(self._ask({"memory_bytes": memory_bytes}).head["decoder"])
        except DecoderDied as death:
            self.stop()
            raise ConfigurationError(
                f"the decoder process does not start: it {death}",
                "its message is in the log; check that pillow and pi-heif are installed",
            ) from death

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(
        self,
        data: bytes,
        wanted: Preprocessing,
        seconds: float,
        large_bytes: int,
        turn: AbstractContextManager[object],
        details: DetailOptions | None = None,
    ) -> Picture | UnreadableImage:
        """What the child makes of a file; raises DecoderDied.

        A picture that takes more than `large_bytes` is decoded while `turn` is held.
        """
        head = {
            "preprocessing": wanted.as_json(),
            "seconds": seconds,
            "large_bytes": large_bytes,
            "details": asdict(details) if details else None,
        }
        answer = self._ask(head, data)
        while "large" in answer.head:
            with turn:
                answer = self._ask({})
        try:
            return _result(answer)
        except (KeyError, TypeError, ValueError):
            # A child with a spoilt memory may answer nonsense before it dies.
            self._process.kill()
            raise self._death() from None

    def stop(self) -> None:
        """End it and take its exit status, so that no zombie stays."""
        with contextlib.suppress(OSError):
            self._pipes[0].close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipes[1].close()

    def _ask(self, head: dict[str, object], body: bytes = b"") -> protocol.Message:
        requests, answers = self._pipes
        try:
            protocol.send(requests, head, body)
            return protocol.receive(answers)
        except (OSError, EOFError, ValueError):
            # ValueError: the same nonsense, as a frame that is none.
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
        if status == -signal.SIGALRM:
            return DecoderTimedOut("ran out of time")
        if status < 0:
            return DecoderDied(f"ended by {signal.Signals(-status).name}")
        return DecoderDied(f"ended with status {status}")


def _result(answer: protocol.Message) -> Picture | UnreadableImage:
    if "error" in answer.head:
        return UnreadableImage(*answer.head["error"])
    return protocol.read(answer)


def _environment() -> dict[str, str]:
    """Modules are found as this process finds them; arithmetic libraries start no threads."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return passed | one | _KEPT_MEMORY | {"PYTHONPATH": path}


Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(
    threads: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    most: int,
) -> Iterator[Result]:
    """What `work` makes of each item; at most so many are begun before the first is taken."""
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(threads.submit(work, item))
            if len(begun) >= most:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


MOST_CHILDREN = 2
SECONDS = 30.0
# What a picture is reckoned to take at most (picture.py), its file, and the interpreter.
MEMORY_BYTES = 1_200 * 2**20
# Of pictures that take more than this one is decoded at a time.
LARGE_BYTES = 200 * 10**6
AHEAD = 8
ATTEMPTS = 2


class DecoderPool:
    """Decodes files in child processes; may be used from several threads.

    A file that kills its decoder takes only itself down: it is tried once more in a fresh child,
    so that a child which died of something else costs no picture.
    """

    def __init__(
        self,
        children: int | None = None,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._children = children or min(MOST_CHILDREN, os.cpu_count() or 1)
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._command = command
        self._idle: list[DecoderProcess] = []
        self.large_turn = threading.Lock()
        self._threads = ThreadPoolExecutor(self._children, thread_name_prefix="decoder")
        self._decoder = ""
        self._finalizer = weakref.finalize(self, _stop, self._idle)

    @property
    def decoder(self) -> str:
        """The decoder's name and version, from a child: what is installed there decides."""
        if not self._decoder:
            self._idle.append(self._child())
        return self._decoder

    def decode_in_order(
        self,
        images: Iterable[bytes],
        wanted: Preprocessing,
        details: DetailOptions | None = None,
    ) -> Iterator[Picture | UnreadableImage]:
        """Decode ahead of the consumer, but not so far that the pictures fill the memory."""

        def decode(data: bytes) -> Picture | UnreadableImage:
            return self._decode(data, wanted, details)

        return map_ordered(self._threads, decode, images, self._children + AHEAD)

    def close(self) -> None:
        """Stop the idle children; the next picture starts new ones."""
        _stop(self._idle)

    def _decode(
        self, data: bytes, wanted: Preprocessing, details: DetailOptions | None
    ) -> Picture | UnreadableImage:
        death = DecoderDied()
        for _ in range(ATTEMPTS):
            child = self._child()
            try:
                result = child.decode(
                    data, wanted, self._seconds, LARGE_BYTES, self.large_turn, details
                )
            except DecoderTimedOut:
                child.stop()
                return UnreadableImage(
                    f"decoding took longer than {self._seconds:g} seconds",
                    "send a smaller copy, saved anew",
                    code="decoder_timeout",
                )
            except DecoderDied as died:
                child.stop()
                death = died
            except BaseException:
                child.stop()
                raise
            else:
                self._idle.append(child)
                return result
        return UnreadableImage(
            f"the decoder crashed on this file: it {death}",
            "save the picture anew, in another format",
            code="decoder_crashed",
        )

    def _child(self) -> DecoderProcess:
        """An idle child, or a new one; one that died while idle is no picture's fault."""
        while True:
            try:
                child = self._idle.pop()
            except IndexError:  # also where another thread took the last one
                break
            if child.alive:
                return child
            child.stop()
        child = DecoderProcess(self._memory_bytes, self._command)
        self._decoder = child.decoder
        return child


def _stop(idle: list[DecoderProcess]) -> None:
    while idle:
        idle.pop().stop()
