"""An image store over a folder of this machine: its path is the bucket, relative paths the keys."""

import errno
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote

from imagesearch.adapters.folder_excludes import IGNORE_FILE, OWN, Excludes
from imagesearch.domain import ImageRef, ObjectState
from imagesearch.errors import ObjectChanged, Unavailable
from imagesearch.image_types import named_as_image

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a folder with all in it, that is no part of the library, and why."""

    path: str
    is_dir: bool
    reason: str


class FolderStore:
    """What `excludes` excludes is not seen; without, that is what the defaults exclude."""

    def __init__(
        self, folder: Path, files_url: str = "/files/", excludes: Excludes | None = None
    ) -> None:
        self._root = folder.resolve()
        self.excludes = excludes or Excludes(self._root)
        self._files_url = files_url

    @property
    def bucket(self) -> str:
        return self._root.as_uri()

    def path(self, key: str) -> Path | None:
        """Where a key's file lies; None for a key that names no visible file of the folder.

        Raises Unavailable where it cannot be told what is visible.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or not _can_be_a_key(key):
            return None
        if self.excludes.excluded(key):
            return None
        path = self._root.joinpath(*parts)
        # Unlike Path.resolve, realpath stands links that lead round in a circle.
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._root) or self.excludes.leads_to_own_data(path, real):
            return None
        return path

    def ref(self, path: Path) -> ImageRef | None:
        """The image that a path below the folder stands for; None for what is not seen."""
        key = path.relative_to(self._root).as_posix()
        try:
            return ImageRef(self.bucket, key) if self.path(key) else None
        except Unavailable:  # whoever looks at it hears why
            return ImageRef(self.bucket, key)

    def head(self, ref: ImageRef) -> ObjectState | None:
        path = self.path(ref.key)
        if path is None:
            return None
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in _NO_SUCH_NAME:
                return None
            raise _unavailable(ref, error) from error
        return _state(found) if S_ISREG(found.st_mode) else None

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        path = self.path(ref.key)
        try:
            if path is None:
                raise FileNotFoundError
            with path.open("rb") as file:
                data = file.read(-1 if first is None else first)
                if _state(os.fstat(file.fileno())) == state:
                    return data
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise _unavailable(ref, error) from error
        raise ObjectChanged(f"{ref.key} changed while it was read")

    def list_images(self, below: Path | None = None) -> Iterator[tuple[ImageRef, ObjectState]]:
        waiting = self._visible(below or self._root)
        while waiting:
            entry = waiting.pop()
            if entry.is_dir(follow_symlinks=False):
                waiting += self._visible(entry.path)
            elif (ref := self._listed_ref(entry, below)) and (state := _listed(entry)):
                yield ref, state

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """What looks like images and can have no key: its path from the folder, and why.

        A folder stands for all that is in it; of what cannot be printed, there are surrogates.
        An ignore file that cannot be read stands for all that is in its folder.
        """
        yield from self._trouble(self._root)
        waiting = self._visible(self._root)
        while waiting:
            entry = waiting.pop()
            if reason := self._no_key(entry):
                yield self._key(entry.path), reason
            elif entry.is_dir(follow_symlinks=False):
                yield from self._trouble(Path(entry.path))
                waiting += self._visible(entry.path)

    def left_out(self) -> Iterator[LeftOut]:
        """What is excluded in the folders that are seen, but for single files of the product."""
        waiting = [str(self._root)]
        while waiting:
            for entry, reason in self._judged(waiting.pop()):
                is_dir = entry.is_dir(follow_symlinks=False)
                if is_dir and not reason:
                    waiting.append(entry.path)
                elif reason and (is_dir or reason != OWN):
                    yield LeftOut(self._key(entry.path), is_dir, reason)

    def _listed_ref(self, entry: os.DirEntry[str], below: Path | None) -> ImageRef | None:
        """Of a visible entry; only where there may be a link on the way, it is looked at again."""
        if below or entry.is_symlink():
            return self.ref(Path(entry.path))
        key = self._key(entry.path)
        return ImageRef(self.bucket, key) if _can_be_a_key(key) else None

    def _visible(self, folder: Path | str) -> list[os.DirEntry[str]]:
        return [entry for entry, reason in self._judged(folder) if not reason]

    def _judged(self, folder: Path | str) -> Iterator[tuple[os.DirEntry[str], str]]:
        """What is in a folder, last key first, with the reason for which it is excluded, or ""."""
        try:
            rules = self.excludes.of(self._key(folder))
        except Unavailable:
            return
        for entry in _entries(folder):
            yield entry, rules.why(entry.name, entry.is_dir(follow_symlinks=False))

    def trouble(self, folder: Path) -> str:
        """What is wrong with the ignore file in a folder; "" where nothing is."""
        return self.excludes.trouble(self._key(folder))

    def _trouble(self, folder: Path) -> Iterator[tuple[str, str]]:
        if trouble := self.trouble(folder):
            yield self._key(folder / IGNORE_FILE), f"{trouble}: nothing beside it is touched"

    def _key(self, path: Path | str) -> str:
        """A path below the root as a key; "" for the root."""
        return os.fspath(path)[len(str(self._root)) :].strip(os.sep)

    def _no_key(self, entry: os.DirEntry[str]) -> str:
        if _can_be_a_key(entry.name) and not entry.is_symlink():
            return ""
        if not (named_as_image(entry.name) or entry.is_dir()):
            return ""
        if not _can_be_a_key(entry.name):
            return "its name is not UTF-8: rename it"
        inside = Path(os.path.realpath(entry.path)).is_relative_to(self._root)
        return "" if inside else "it leads out of the folder: put the images themselves here"

    def url(self, ref: ImageRef) -> str:
        return self._files_url + quote(ref.key)


# No file of this machine can have such a name.
_NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ELOOP)


def _can_be_a_key(name: str) -> bool:
    """A name that is no valid UTF-8, or holds a NUL, cannot be one."""
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def _state(found: os.stat_result) -> ObjectState:
    """Size and time of change, to the nanosecond, stand for the content, as they do for rsync."""
    modified = EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
    return ObjectState(f"{found.st_size:x}-{found.st_mtime_ns:x}", modified, found.st_size)


def _unavailable(ref: ImageRef, error: OSError) -> Unavailable:
    return Unavailable(f"cannot read {ref.key}: {error.strerror}", "check the file's permissions")


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder, last key first; of a folder that cannot be listed, nothing."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=_key_bytes, reverse=True)
    except OSError as error:
        log.warning("cannot list %s: %s", folder, error.strerror)
        return []


def _listed(entry: os.DirEntry[str]) -> ObjectState | None:
    """A file's state; None for a link that leads nowhere, and for what is no file."""
    try:
        found = entry.stat()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("cannot list %s: %s", entry.path, error.strerror)
        return None
    return _state(found) if S_ISREG(found.st_mode) else None


def _key_bytes(entry: os.DirEntry[str]) -> bytes:
    """Where the keys of an entry stand in order: all keys in a folder go on with a slash."""
    slash = b"/" if entry.is_dir(follow_symlinks=False) else b""
    return os.fsencode(entry.name) + slash
