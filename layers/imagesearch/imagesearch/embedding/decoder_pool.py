"""Decoder children: as many as there are cores, started when needed, replaced when they die."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from imagesearch.details import DetailsWanted
from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.ahead import in_order
from imagesearch.embedding.decoding.pool import COMMAND, DecoderChild, DecoderDied, DecoderTimedOut
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from imagesearch.embedding.picture import Picture

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
        self._idle: list[DecoderChild] = []
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
        details: DetailsWanted | None = None,
    ) -> Iterator[Picture | UnreadableImage]:
        """Decode ahead of the consumer, but not so far that the pictures fill the memory."""

        def decode(data: bytes) -> Picture | UnreadableImage:
            return self._decode(data, wanted, details)

        return in_order(self._threads, decode, images, self._children + AHEAD)

    def close(self) -> None:
        """Stop the idle children; the next picture starts new ones."""
        _stop(self._idle)

    def _decode(
        self, data: bytes, wanted: Preprocessing, details: DetailsWanted | None
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

    def _child(self) -> DecoderChild:
        """An idle child, or a new one; one that died while idle is no picture's fault."""
        while True:
            try:
                child = self._idle.pop()
            except IndexError:  # also where another thread took the last one
                break
            if child.alive:
                return child
            child.stop()
        child = DecoderChild(self._memory_bytes, self._command)
        self._decoder = child.decoder
        return child


def _stop(idle: list[DecoderChild]) -> None:
    while idle:
        idle.pop().stop()
