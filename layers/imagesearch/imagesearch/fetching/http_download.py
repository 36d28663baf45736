"""Brings one file over HTTP: resumed where it was cut, and under its name only when it is right."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagesearch.domain.errors import ConfigurationError, Unavailable
from imagesearch.downloads.http_download import Cut, ask
from imagesearch.downloads.partial_file import HalfFile
from imagesearch.embedding.model_catalog import Pin

ATTEMPTS = 8
LONGEST_PAUSE = 15.0
CHUNK = 1 << 16


@dataclass(frozen=True)
class Downloader:
    """`tell` hears how many bytes of the file are here; `pause` waits, in seconds; `elsewhere` says
    what is to be done where the disk cannot take it, `resume` what becomes of what has arrived."""

    tell: Callable[[int], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    elsewhere: str = "take a folder elsewhere"
    resume: str = "another try goes on from there"

    def download(self, pin: Pin, to: Path) -> str:
        """The SHA-256 of the file, which now is at `to`, whole and checked.

        Raises Unavailable, NotFound, ConfigurationError; what has arrived is kept for the next
        time, unless it is wrong.
        """
        half = HalfFile(to, self.elsewhere)
        earlier = half.size > 0
        self._complete(pin, half)
        if earlier and pin.sha256 not in (None, half.digest()):
            # What an earlier run left may be what is wrong.
            half.forget()
            self._complete(pin, half)
        digest = half.digest()
        if pin.sha256 not in (None, digest):
            half.forget()
            raise ConfigurationError(
                f"{pin.url} has the SHA-256 {digest} instead of {pin.sha256}",
                "nothing of it is kept: the file, or something on the way, is not to be trusted",
                "wrong_hash",
            )
        half.keep()
        return digest

    def _complete(self, pin: Pin, half: HalfFile) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._go_on(pin, half)
            except Cut as cut:
                offline = cut.no_connection and attempt == 1
                if offline or attempt == ATTEMPTS:
                    raise Unavailable(
                        f"cannot download {pin.url}: {cut}", self._next(half)
                    ) from cut
            self.pause(min(2.0 ** (attempt - 1), LONGEST_PAUSE))
        return None

    def _go_on(self, pin: Pin, half: HalfFile) -> None:
        """One request, for what is missing. Raises Cut where another may do better."""
        # Without an etag or a hash nothing tells whether the rest is of the same file.
        if (pin.bytes and half.size > pin.bytes) or not (half.etag or pin.sha256):
            half.forget()
        if pin.bytes and half.size == pin.bytes:
            return
        with ask(pin.url, half.size, half.etag) as answer:
            if answer.begin < 0:
                half.forget()
                raise Cut("the server does not go on from where it was cut")
            if pin.bytes and answer.total not in (None, pin.bytes):
                raise _another_size(pin, f"{answer.total:,}")
            if not answer.begin:
                half.begin(answer.etag)
            half.need_room_for((pin.bytes or answer.total or 0) - half.size)
            for here in half.add(answer.chunks(CHUNK)):
                if pin.bytes and here > pin.bytes:
                    half.forget()
                    raise _another_size(pin, "more")
                self.tell(here)
        if half.size < (pin.bytes or answer.total or 0):
            raise Cut("the answer ended early")

    def _next(self, half: HalfFile) -> str:
        if half.size:
            return f"{half.size:,} bytes have arrived; {self.resume}"
        return "check the network, and HTTPS_PROXY where there is a proxy"


def _another_size(pin: Pin, size: str) -> ConfigurationError:
    return ConfigurationError(
        f"{pin.url} has {size} bytes instead of {pin.bytes:,}",
        "nothing of it is kept: it is not the file that is pinned",
        "wrong_size",
    )
