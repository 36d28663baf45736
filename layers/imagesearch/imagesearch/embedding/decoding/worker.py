"""The child process in which pictures are decoded: one request, one answer, until stdin closes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import IO, Any, TypeAlias

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding import protocol
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing

Decode: TypeAlias = Callable[
    [bytes, Preprocessing, Callable[[int], None], DetailOptions | None], Picture
]


def serve(decode: Decode, name: str) -> None:
    """Answer requests; a picture that is over its time ends this process by SIGALRM."""
    requests, answers = _private_pipes()
    with contextlib.suppress(EOFError, BrokenPipeError):
        settings = protocol.receive(requests).head
        _bound_memory(settings["memory_bytes"])
        protocol.send(answers, {"decoder": name})
        while True:
            head, data = protocol.receive(requests)
            _answer(decode, head, data, requests, answers)
    # Closing what is half written would raise again at exit.
    os._exit(0)


def _answer(
    decode: Decode, head: dict[str, Any], data: bytes, requests: IO[bytes], answers: IO[bytes]
) -> None:
    def ask(needed: int) -> None:
        """A picture that takes much memory waits for its turn, and its time does not run."""
        if needed > head["large_bytes"]:
            _alarm(0)
            protocol.send(answers, {"large": needed})
            protocol.receive(requests)
            _alarm(head["seconds"])

    _alarm(head["seconds"])
    try:
        wanted = Preprocessing.from_json(head["preprocessing"])
        details = DetailOptions(**head["details"]) if head["details"] else None
        picture = decode(data, wanted, ask, details)
    except UnreadableImage as error:
        _alarm(0)
        protocol.send(answers, {"error": [error.message, error.hint, error.code]})
    else:
        _alarm(0)
        protocol.send(answers, *protocol.written(picture))


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout, out of the reach of a library that prints.

    What native code says of a bad picture on stderr is in nobody's interest; a traceback is.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    sys.stderr = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return requests, answers


def _bound_memory(limit: int) -> None:
    # macOS refuses the one on memory; those on pixels and reckoned memory still hold.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _alarm(seconds: float) -> None:
    """The kernel ends this process when the time is over: no loop in native code outlasts it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    from imagesearch.embedding.decoding.decoder import decode, decoder_name

    serve(decode, decoder_name())
