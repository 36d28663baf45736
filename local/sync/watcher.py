"""Watcher of a folder: reports changed paths and possible gaps, and maps paths to image keys."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path

from watchfiles import Change, watch
from watchfiles.main import FileChange

from imagesearch.adapters.filesystem.excludes import IGNORE_FILE, Excludes
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import Selection

# A new file must be searchable within a second: changes are grouped for 50 ms, and for at most
# 200 ms while more arrive.
STEP_MS = 50
DEBOUNCE_MS = 200
# Interval of the checks for a stop, and for a replaced folder.
IDLE_MS = 250
# The kernel drops events beyond a queue of 16,384, and watchfiles does not report it.
OVERFLOW_CHANGES = 4_096
RESTART_SECONDS = 1.0
MAX_RESTART_SECONDS = 60.0
# Polling takes at most a tenth of the time.
POLL_PAUSE_FACTOR = 10
# After this time a new folder should be watched.
SETTLED_SECONDS = 1.0
WATCH_AGAIN_SECONDS = 600.0
PAGE = 1_000

# Messages of watchfiles, which passes on no error code, when watches or instances run out. Its
# option to ignore unreadable folders is unusable: it skips every folder after the first of them,
# and reports no shortage of watches.
NO_WATCHES = (
    "the system has no inotify watches left: raise the limit with"
    " `sudo sysctl fs.inotify.max_user_watches=1048576`"
)
LIMITS = {
    "file watch limit": NO_WATCHES,
    "No space left": NO_WATCHES,
    "Too many open files": "the system has no inotify instances left: raise the limit with"
    " `sudo sysctl fs.inotify.max_user_instances=1024`, or the limit on open files",
    "ermission denied": "a subfolder is not readable",
}

log = logging.getLogger(__name__)


class Unwatchable(Exception):
    """A part of the folder cannot be watched; the message gives the cause and the correction."""


class FolderWatcher:
    """Calls `on_change` with paths that changed, `on_gap` when changes may have been missed.

    The first `on_gap` follows the start of the watch, so that a reconciliation misses nothing, or
    its failure. If a part of the folder cannot be watched, the watcher polls: it compares the
    states of all `files` every few seconds. The watch restarts when `identity` changes: another
    disk was mounted, or a folder became readable.
    """

    def __init__(
        self,
        folder: Path,
        on_change: Callable[[set[Path]], None],
        on_gap: Callable[[], None],
        identity: Callable[[], object] | None = None,
        files: Callable[[], Mapping[Path, str]] | None = None,
        excludes: Excludes | None = None,
    ) -> None:
        """Changes of excluded paths are not reported; those of ignore files are."""
        self._excludes = excludes or Excludes(folder)
        self._folder = folder
        self._on_change = on_change
        self._on_gap = on_gap
        self._mount_identity = identity or tuple
        self._files = files
        self._active = False

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set, and restart a watch that ends."""
        logged = ""
        pause = RESTART_SECONDS
        while not stop.is_set():
            self._active = False
            try:
                try:
                    self._watch(stop)
                except Unwatchable as error:
                    if logged != (logged := str(error)):
                        log.warning(
                            "cannot watch %s: %s. It is polled every few seconds instead",
                            self._folder,
                            error,
                        )
                    self._poll(stop)
            except Exception as error:
                if logged != (logged := str(error)):
                    log.warning("the watch of %s ended and restarts: %s", self._folder, error)
            if self._active:
                pause = RESTART_SECONDS
            else:  # a folder without a watch is reconciled at intervals
                self._on_gap()
                pause = min(2 * pause, MAX_RESTART_SECONDS)
            stop.wait(pause)

    def _watch(self, stop: threading.Event) -> None:
        identity = self._identity()
        for changes in self._changes(stop):
            if not self._active or len(changes) > OVERFLOW_CHANGES:
                self._active = True
                self._on_gap()
            if changes:
                self._on_change({Path(path) for _, path in changes})
            if self._has_unwatched_folders(changes, stop):
                return
            if (Change.deleted, str(self._folder)) in changes or self._identity() != identity:
                return

    def _has_unwatched_folders(self, changes: set[FileChange], stop: threading.Event) -> bool:
        """True if readable folders are not watched.

        watchfiles reports a shortage of watches only when a watch starts.
        """
        unwatched = _unwatched(folders) if (folders := _folders_in(changes)) else []
        if unwatched:  # or are not watched yet
            stop.wait(SETTLED_SECONDS)
            unwatched = _unwatched(unwatched)
        return bool(unwatched)

    def _changes(self, stop: threading.Event) -> Iterator[set[FileChange]]:
        """The changes that watchfiles reports. Raises Unwatchable for a folder it cannot watch."""
        try:
            yield from watch(
                self._folder,
                watch_filter=self._is_visible,
                debounce=DEBOUNCE_MS,
                step=STEP_MS,
                rust_timeout=IDLE_MS,
                yield_on_timeout=True,
                stop_event=stop,
                raise_interrupt=False,
                ignore_permission_denied=False,
            )
        except (OSError, RuntimeError) as error:
            for text, meaning in LIMITS.items():
                if text in str(error):
                    raise Unwatchable(meaning) from error
            raise

    def _poll(self, stop: threading.Event) -> None:
        """Compare the states of all files until it is time to try a watch again."""
        if self._files is None:
            return
        identity = self._identity()
        before = self._files()
        self._active = True
        self._on_gap()
        end = time.monotonic() + WATCH_AGAIN_SECONDS
        pause = RESTART_SECONDS
        while not stop.wait(pause) and time.monotonic() < end and self._identity() == identity:
            started = time.monotonic()
            now = self._files()
            pause = min(
                max(RESTART_SECONDS, POLL_PAUSE_FACTOR * (time.monotonic() - started)),
                MAX_RESTART_SECONDS,
            )
            changed = {path for path in before.keys() | now if before.get(path) != now.get(path)}
            if changed:
                self._on_change(changed)
            before = now

    def _is_visible(self, _: Change, path: str) -> bool:
        key = Path(path).relative_to(self._folder).as_posix()
        if key == "." or key.rpartition("/")[2] == IGNORE_FILE:
            return True
        try:
            return not self._excludes.excluded(key)
        except Unavailable:  # processing the path reports the cause
            return True

    def _identity(self) -> tuple[object, ...]:
        state = self._folder.stat()
        return state.st_dev, state.st_ino, self._mount_identity()


def _unwatched(folders: Iterable[Path]) -> list[Path]:
    """Those of these folders that are readable and not watched."""
    watched = _watched_inodes()
    return [] if watched is None else [each for each in folders if _is_unwatched(each, watched)]


def _is_unwatched(folder: Path, watched: Container[int]) -> bool:
    try:
        return folder.stat().st_ino not in watched and os.access(folder, os.R_OK)
    except OSError:  # deleted in the meantime
        return False


def _folders_in(changes: set[FileChange]) -> list[Path]:
    """Every folder that is new or became readable, with its subfolders."""
    paths = [path for change, path in changes if change is not Change.deleted and _is_folder(path)]
    return [Path(at) for path in paths for at, _, _ in os.walk(path)]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114 - no errors


def _watched_inodes() -> frozenset[int] | None:
    """The inodes that this process watches; None on systems without /proc.

    https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html
    """
    inodes: set[int] = set()
    try:
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the descriptor of this listing
                if str(descriptor.readlink()) == "anon_inode:inotify":
                    info = Path("/proc/self/fdinfo", descriptor.name).read_text()
                    inodes.update(int(inode, 16) for inode in re.findall(r" ino:([0-9a-f]+)", info))
    except OSError:
        return None
    return frozenset(inodes)


def changed_keys(
    paths: Iterable[Path], store: FolderStore, index: VectorIndex
) -> Iterator[ImageRef]:
    """Every key that the changes may concern, once: existing files first, then indexed images.

    In this order the records of renamed images still exist when their new keys are processed.
    """
    topmost = [(path, ref) for path in _topmost(paths) if (ref := store.ref(path))]
    yielded: set[ImageRef] = set()
    for refs in chain(
        (_present_at(path, ref, store) for path, ref in topmost),
        (_known_at(ref, index) for _, ref in topmost),
    ):
        for ref in refs:
            if ref not in yielded:
                yielded.add(ref)
                yield ref


def _present_at(path: Path, ref: ImageRef, store: FolderStore) -> Iterator[ImageRef]:
    if os.path.lexists(path):
        yield ref
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - Path's raise
        yield from (image for image, _ in store.list_images(below=path))


def _known_at(ref: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    yield ref
    yield from _indexed_below(ref, index)


def _indexed_below(folder: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    """The indexed images below a folder, which may be deleted."""
    below, after = Selection(collection=folder.key), None
    while page := index.list_documents(below, after=after, limit=PAGE):
        yield from (document.ref for document in page)
        after = page[-1].ref.key


def _topmost(paths: Iterable[Path]) -> Iterator[Path]:
    """Leave out paths below another path that no longer exists."""
    gone: set[Path] = set()
    for path in sorted(set(paths)):
        if gone.isdisjoint(path.parents):
            if not os.path.lexists(path):
                gone.add(path)
            yield path
