"""Tells what changes in a folder, and when something may have been missed.

Which keys to look at when something happened at a path: a file, or a folder with all in it.
"""

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
# Looking through a folder that cannot be watched takes a tenth of the time at most.
REST = 10
# After this time a new folder should be watched.
SETTLED_SECONDS = 1.0
WATCH_AGAIN_SECONDS = 600.0

# What watchfiles, which hands on the text alone, says where watches or instances run out. Its
# option to ignore folders that may not be read is of no use: it gives up all folders after the
# first of them, and says nothing where watches run out.
NO_WATCHES = (
    "the system has no more inotify watches: raise their number with"
    " `sudo sysctl fs.inotify.max_user_watches=1048576`"
)
LIMITS = {
    "file watch limit": NO_WATCHES,
    "No space left": NO_WATCHES,
    "Too many open files": "the system has no more inotify instances: raise their number with"
    " `sudo sysctl fs.inotify.max_user_instances=1024`, or the limit on open files",
    "ermission denied": "a folder in it may not be read",
}

log = logging.getLogger(__name__)


class Unwatchable(Exception):
    """Not all of the folder can be watched: the message says why, and what to do."""


class FolderWatcher:
    """Calls `on_change` with paths that changed, `on_gap` when changes may have been missed.

    The first `on_gap` comes when the watch stands, so that what is looked at from then on is
    complete; or when it cannot be set up. Where not all of the folder can be watched, `files` is
    asked for the state of every file every few seconds instead. The watch is set up again where
    `identity` changes: another disk is mounted, or a folder may be read now.
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
        """What `excludes` excludes is not told of; a change of an ignore file is."""
        self._excludes = excludes or Excludes(folder)
        self._folder = folder
        self._on_change = on_change
        self._on_gap = on_gap
        self._of_places = identity or tuple
        self._files = files
        self._stands = False

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set; a watch that ends by itself is renewed."""
        said = ""
        pause = RESTART_SECONDS
        while not stop.is_set():
            self._stands = False
            try:
                try:
                    self._watch(stop)
                except Unwatchable as error:
                    if said != (said := str(error)):
                        log.warning(
                            "cannot watch %s: %s. It is looked through every few seconds instead",
                            self._folder,
                            error,
                        )
                    self._poll(stop)
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
        for changes in self._changes(stop):
            if not self._stands or len(changes) > SUSPICIOUSLY_MANY:
                self._stands = True
                self._on_gap()
            if changes:
                self._on_change({Path(path) for _, path in changes})
            if self._leaves_out(changes, stop):
                return
            if (Change.deleted, str(self._folder)) in changes or self._identity() != identity:
                return

    def _leaves_out(self, changes: set[FileChange], stop: threading.Event) -> bool:
        """Whether folders are not watched that could be.

        Where watches run out, watchfiles says so only when the watch is set up again.
        """
        left_out = _unwatched(folders) if (folders := _folders_in(changes)) else []
        if left_out:  # or not yet
            stop.wait(SETTLED_SECONDS)
            left_out = _unwatched(left_out)
        return bool(left_out)

    def _changes(self, stop: threading.Event) -> Iterator[set[FileChange]]:
        """What watchfiles tells; raises Unwatchable where it leaves out a part of the folder."""
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
        """Compare the states of all files until it is time to try to watch them again."""
        if self._files is None:
            return
        identity = self._identity()
        before = self._files()
        self._stands = True
        self._on_gap()
        end = time.monotonic() + WATCH_AGAIN_SECONDS
        pause = RESTART_SECONDS
        while not stop.wait(pause) and time.monotonic() < end and self._identity() == identity:
            started = time.monotonic()
            now = self._files()
            pause = min(
                max(RESTART_SECONDS, REST * (time.monotonic() - started)), MOST_RESTART_SECONDS
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
        except Unavailable:  # whoever looks at it hears why
            return True

    def _identity(self) -> tuple[object, ...]:
        found = self._folder.stat()
        return found.st_dev, found.st_ino, self._of_places()


def _unwatched(folders: Iterable[Path]) -> list[Path]:
    """Those of these folders that nobody watches though they may be read."""
    watched = _watched_inodes()
    return [] if watched is None else [each for each in folders if _is_left_out(each, watched)]


def _is_left_out(folder: Path, watched: Container[int]) -> bool:
    try:
        return folder.stat().st_ino not in watched and os.access(folder, os.R_OK)
    except OSError:  # it is gone again
        return False


def _folders_in(changes: set[FileChange]) -> list[Path]:
    """Every folder that is new, or may be read now, with those in it."""
    told = [path for change, path in changes if change is not Change.deleted and _is_folder(path)]
    return [Path(at) for path in told for at, _, _ in os.walk(path)]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114 - no errors


def _watched_inodes() -> frozenset[int] | None:
    """The inodes of all that this process watches; None where the system does not tell.

    https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html
    """
    found: set[int] = set()
    try:
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one of this very list
                if str(descriptor.readlink()) == "anon_inode:inotify":
                    told = Path("/proc/self/fdinfo", descriptor.name).read_text()
                    found.update(int(inode, 16) for inode in re.findall(r" ino:([0-9a-f]+)", told))
    except OSError:
        return None
    return frozenset(found)


PAGE = 1_000


def changed_keys(
    paths: Iterable[Path], store: FolderStore, index: VectorIndex
) -> Iterator[ImageRef]:
    """Every key that the changes may concern, once: what is there, then what was there before.

    In this order the records of renamed images are still there when their new names are looked at.
    """
    topmost = [(path, ref) for path in _topmost(paths) if (ref := store.ref(path))]
    given: set[ImageRef] = set()
    for refs in chain(
        (_present_at(path, ref, store) for path, ref in topmost),
        (_known_at(ref, index) for _, ref in topmost),
    ):
        for ref in refs:
            if ref not in given:
                given.add(ref)
                yield ref


def _present_at(path: Path, ref: ImageRef, store: FolderStore) -> Iterator[ImageRef]:
    if os.path.lexists(path):
        yield ref
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - Path's raise
        yield from (found for found, _ in store.list_images(path))


def _known_at(ref: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    yield ref
    yield from _indexed_below(ref, index)


def _indexed_below(folder: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    """A folder that is gone says nothing of what was in it: the index remembers."""
    prefix = after = folder.key + "/"
    while True:
        page = index.list_documents(after=after, limit=PAGE)
        for document in page:
            if not document.ref.key.startswith(prefix):
                return
            yield document.ref
        if len(page) < PAGE:
            return
        after = page[-1].ref.key


def _topmost(paths: Iterable[Path]) -> Iterator[Path]:
    """Leave out what lies below another path that is gone: that one stands for it."""
    gone: set[Path] = set()
    for path in sorted(set(paths)):
        if gone.isdisjoint(path.parents):
            if not os.path.lexists(path):
                gone.add(path)
            yield path
