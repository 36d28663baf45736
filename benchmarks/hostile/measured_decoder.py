"""The decoder process, which appends the seconds of CPU time and its peak memory in bytes per file.

python measured_decoder.py LOG
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.decoder import decode, decoder_name
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.decoding.workers.worker import serve


def _peak() -> int:
    """On Linux ru_maxrss includes that of the parent, so proc(5) is read."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmHWM"))


def _measured(log: Path) -> Callable[..., Picture]:
    def measured(
        data: bytes,
        preprocessing: Preprocessing,
        before_pixels: Callable[[int], None],
        details: DetailOptions | None,
    ) -> Picture:
        started = time.process_time()
        try:
            return decode(data, preprocessing, before_pixels, details)
        finally:
            with log.open("a") as lines:
                lines.write(f"{time.process_time() - started:.3f} {_peak()}\n")

    return measured


if __name__ == "__main__":
    arguments: list[Any] = sys.argv[1:]
    serve(_measured(Path(arguments[0])), decoder_name())
