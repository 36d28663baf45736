"""Decoder process: reads requests from stdin and writes responses to stdout until stdin closes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from math import ceil
from typing import IO, Any, TypeAlias

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.preprocessing import MEGABYTE, Picture, Preprocessing
from imagesearch.embedding.decoding.workers import protocol

Decode: TypeAlias = Callable[
    [bytes, Preprocessing, Callable[[int], None], DetailOptions | None], Picture
]

MakePreview: TypeAlias = Callable[[bytes, int, Callable[[int], None]], bytes]


def serve(decode: Decode, name: str, preview: MakePreview | None = None) -> None:
    """Respond to requests; SIGALRM or SIGPROF ends this process at the time limit of a file."""
    requests, responses = _private_pipes()
    with contextlib.suppress(EOFError, BrokenPipeError):
        settings = protocol.receive(requests).head
        _bound_memory(settings["memory_bytes"])
        protocol.send(responses, {"decoder": name})
        while True:
            head, data = protocol.receive(requests)
            _respond(decode, preview, head, data, requests, responses)
    # A normal exit would flush a partly written response, which raises again.
    os._exit(0)


def _respond(
    decode: Decode,
    preview: MakePreview | None,
    head: dict[str, Any],
    data: bytes,
    requests: IO[bytes],
    responses: IO[bytes],
) -> None:
    def wait_if_large(needed: int) -> None:
        """Let the parent serialize the decoding of large images; the timer stops meanwhile.

        Raises UnreadableImage above the memory limit of this file.
        """
        if needed > head["memory_bytes"]:
            raise UnreadableImage(
                f"the image needs {ceil(needed / MEGABYTE):,} MB when decoded, over the limit of"
                f" {head['memory_bytes'] // MEGABYTE:,} MB for a query of {len(data):,} bytes",
                "send a smaller copy of the image",
                "image_too_large",
            )
        if needed > head["large_bytes"]:
            _alarm(0)
            protocol.send(responses, {"large": needed})
            _alarm(protocol.receive(requests).head["seconds"])

    started = time.process_time()
    _alarm(head["seconds"])
    _cpu_alarm(head["cpu_seconds"])
    try:
        if preview and "preview" in head:
            message = protocol.preview_message(preview(data, head["preview"], wait_if_large))
        else:
            preprocessing = Preprocessing.from_json(head["preprocessing"])
            details = DetailOptions(**head["details"]) if head["details"] else None
            picture = decode(data, preprocessing, wait_if_large, details)
            message = protocol.picture_message(picture)
    except UnreadableImage as error:
        _stop_alarms()
        rejected = {"error": [error.message, error.hint, error.code]}
        protocol.send(responses, rejected | {"cpu_seconds": time.process_time() - started})
    else:
        _stop_alarms()
        used = {"cpu_seconds": time.process_time() - started}
        protocol.send(responses, message.head | used, message.body)


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Duplicates of stdin and stdout, so that output of a library cannot corrupt the protocol.

    Python's stderr is kept for tracebacks; messages of native libraries are discarded.
    """
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    sys.stderr = os.fdopen(os.dup(2), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    return requests, responses


def _bound_memory(limit: int) -> None:
    # macOS rejects RLIMIT_AS; the limits on pixels and expected memory apply nevertheless.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _alarm(seconds: float) -> None:
    """Have the kernel end this process after `seconds`, even in a loop in native code."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _cpu_alarm(seconds: float) -> None:
    """Have the kernel end this process after it has used `seconds` of CPU time."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _stop_alarms() -> None:
    _alarm(0)
    _cpu_alarm(0)


if __name__ == "__main__":
    from imagesearch.embedding.decoding.decoder import decode, decoder_name, preview

    serve(decode, decoder_name(), preview)
