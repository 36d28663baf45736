"""Tells what changes in a folder, and when something may have been missed."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, watch

from imagesearch.adapters.folder_excludes import IGNORE_FILE, Excludes
from imagesearch.errors import Unavailable

# A file dropped in is to be found within a second: a change waits for others 50 ms, and while
# they keep coming 200 ms at most.
STEP_MS = 50
DEBOUNCE_MS = 200
# How often the watch looks whether it shall stop, and whether the folder is still the same.
IDLE_MS = 250
# The kernel drops events beyond 16,384 that nobody has fetched yet, and does not say so here.
SUSPICIOUSLY_MANY = 4_096
RESTART_SECONDS = 1.0
MOST_RESTART_SECONDS = 60.0

log = logging.getLogger(__name__)


class FolderWatcher:
    """Calls `on_change` with paths that changed, `on_gap` when changes may have been missed.

    The first `on_gap` comes when the watch stands, so that what is looked at from then on is
    complete; or when it cannot be set up.
    """

    def __init__(
        self,
        folder: Path,
        on_change: Callable[[set[Path]], None],
        on_gap: Callable[[], None],
        excludes: Excludes | None = None,
    ) -> None:
        """What `excludes` excludes is not told of; a change of an ignore file is."""
        self._excludes = excludes or Excludes(folder)
        self._folder = folder
        self._on_change = on_change
        self._on_gap = on_gap
        self._stands = False

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set; a watch that ends by itself is renewed."""
        said = ""
        pause = RESTART_SECONDS
        while not stop.is_set():
            self._stands = False
            try:
                self._watch(stop)
            except Exception as error:
                if said != (said := str(error)):
                    log.warning("the watch over %s ended, to begin anew: %s", self._folder, error)
            if self._stands:
                pause = RESTART_SECONDS
            else:  # a folder that cannot be watched is looked at now and then
                self._on_gap()
                pause = min(2 * pause, MOST_RESTART_SECONDS)
            stop.wait(pause)

    def _watch(self, stop: threading.Event) -> None:
        identity = self._identity()
        for changes in watch(
            self._folder,
            watch_filter=self._is_visible,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=IDLE_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if not self._stands or len(changes) > SUSPICIOUSLY_MANY:
                self._stands = True
                self._on_gap()
            if changes:
                self._on_change({Path(path) for _, path in changes})
            if (Change.deleted, str(self._folder)) in changes or self._identity() != identity:
                return

    def _is_visible(self, _: Change, path: str) -> bool:
        key = Path(path).relative_to(self._folder).as_posix()
        if key == "." or key.rpartition("/")[2] == IGNORE_FILE:
            return True
        try:
            return not self._excludes.excluded(key)
        except Unavailable:  # whoever looks at it hears why
            return True

    def _identity(self) -> tuple[int, int]:
        found = self._folder.stat()
        return found.st_dev, found.st_ino
