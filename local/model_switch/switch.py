"""The change of the model while searches continue: install it, fill its index, then switch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from imagesearch.domain.counts import counted
from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.ports import NextModel
from local.errors import UsageError
from local.web.models import SwitchInProgress

LINE_EVERY_SECONDS = 5.0
STOP_SECONDS = 10.0
DOWNLOADING, TESTING, INDEXING, FAILED = "downloading", "testing", "indexing", "failed"
_MEGABYTE = 1_000_000

# Called with the step, the numbers of done and of all items, and the reason for a delay.
Progress: TypeAlias = Callable[[str, int, int | None, str], None]
Say: TypeAlias = Callable[[str], None]

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The server stops; progress is kept on disk."""


class Folder(Protocol):
    """A served folder whose model can be changed."""

    @property
    def model(self) -> str:
        """The name of the model in use."""

    def install(self, name: str, progress: Progress) -> str:
        """Install a model and return the result as a line; empty if it is installed already.

        Raises ImageSearchError, UsageError, and what `progress` raises.
        """

    def switch(self, name: str, progress: Progress) -> int:
        """Fill the index of an installed model, use it, and return its number of images.

        Raises ImageSearchError, UsageError, and what `progress` raises; the model in use is then
        still the old one.
        """


class ModelSwitch:
    """Changes the model of a served folder in a thread; one change at a time."""

    def __init__(
        self, folder: Folder, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._status: NextModel | None = None
        self._printed = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def model(self) -> str:
        """The name of the model in use."""
        return self._folder.model

    def status(self) -> NextModel | None:
        """The progress of the change, or its failure; None if there is none."""
        return self._status

    def start(self, name: str) -> NextModel:
        """Start the change to a model and return its status; raises SwitchInProgress."""
        with self._lock:
            current = self._status
            if current and current.state != FAILED:
                if current.name == name:
                    return current
                raise SwitchInProgress(current.name)
            self._status = started = NextModel(name, DOWNLOADING)
            self._thread = threading.Thread(
                target=self._run, args=(name,), daemon=True, name="model switch"
            )
            self._thread.start()
        return started

    def stop(self) -> None:
        """End the change; the next start of the server resumes it."""
        self._stop.set()
        if self._thread:
            self._thread.join(STOP_SECONDS)

    def _run(self, name: str) -> None:
        try:
            if line := self._folder.install(name, self._report):
                self._say(line)
            images = self._folder.switch(name, self._report)
        except Stopped:
            return
        except (ImageSearchError, UsageError) as error:
            self._fail(name, _text(error))
        except Exception as error:
            log.exception("the switch to %s failed", name)
            self._fail(name, f"the switch to {name} failed: {error}")
        else:
            self._status = None
            self._say(f"now searching with {name}: {counted(images, 'image')}")

    def _report(self, state: str, done: int, total: int | None, message: str = "") -> None:
        """Raises Stopped."""
        if self._stop.is_set():
            raise Stopped
        current = self._status
        assert current  # noqa: S101 - set by `start`
        changed = current.state != state or current.message != message
        self._status = NextModel(current.name, state, done, total, message)
        if changed or self._clock() - self._printed >= LINE_EVERY_SECONDS:
            self._printed = self._clock()
            self._say(progress_text(self._status))

    def _fail(self, name: str, message: str) -> None:
        self._status = NextModel(name, FAILED, message=message)
        self._say(message)
        self._say(f"searches continue with {self._folder.model}")


def progress_text(status: NextModel) -> str:
    """Such as `clip-vit-b-32: downloading, 45 of 156 MB`."""
    unit = " MB" if status.state == DOWNLOADING else " images" if status.state == INDEXING else ""
    scale = _MEGABYTE if status.state == DOWNLOADING else 1
    total = f" of {status.total / scale:,.0f}" if status.total is not None else ""
    delay = f" ({status.message})" if status.message else ""
    return f"{status.name}: {status.state}, {status.done / scale:,.0f}{total}{unit}{delay}"


def _text(error: Exception) -> str:
    if isinstance(error, ImageSearchError):
        return "; ".join(filter(None, (error.message, error.hint)))
    return str(error)
