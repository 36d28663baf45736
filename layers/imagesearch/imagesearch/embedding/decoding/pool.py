"""One decoder child process, seen from its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from imagesearch.details import DetailsWanted
from imagesearch.domain.errors import ConfigurationError, Unavailable, UnreadableImage
from imagesearch.embedding import frames
from imagesearch.embedding.decoding import protocol
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from imagesearch.embedding.picture import Picture

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


class DecoderChild:
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
        details: DetailsWanted | None = None,
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

    def _ask(self, head: dict[str, object], body: bytes = b"") -> frames.Frame:
        requests, answers = self._pipes
        try:
            frames.send(requests, head, body)
            return frames.receive(answers)
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


def _result(answer: frames.Frame) -> Picture | UnreadableImage:
    if "error" in answer.head:
        return UnreadableImage(*answer.head["error"])
    return protocol.read(answer)


def _environment() -> dict[str, str]:
    """Modules are found as this process finds them; arithmetic libraries start no threads."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return passed | one | _KEPT_MEMORY | {"PYTHONPATH": path}
