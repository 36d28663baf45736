"""An image store over a folder of this machine: its path is the bucket, relative paths the keys."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import TypeAlias
from urllib.parse import quote

from imagesearch.adapters.mounts import Place, has_lasting_inodes, mount_points, place_of
from imagesearch.domain import ImageRef, ObjectState
from imagesearch.errors import ObjectChanged, Unavailable, Unreachable
from imagesearch.image_types import named_as_image

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A file's time may be any number; so far apart are those that a datetime in any zone can hold.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
NO_DEVICE = -1


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that has a key; whether it is an image its bytes tell."""

    ref: ImageRef
    state: ObjectState


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What may be an image, or hold some, and cannot be handled: its path from the folder, and why.

    A folder stands for all that is in it; of what cannot be printed, there are surrogates.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mounted:
    """A folder at which another filesystem begins; the root has the key ""."""

    key: str
    place: Place


Entry: TypeAlias = Listed | PassedOver | Mounted


class FolderStore:
    """Files whose names begin with a dot, and what lies in such folders, are not seen."""

    def __init__(self, folder: Path, files_url: str = "/files/") -> None:
        self._root = folder.resolve()
        self._prefix = os.path.join(self._root, "")  # noqa: PTH118 - with a slash at its end
        self._files_url = files_url

    @property
    def bucket(self) -> str:
        return self._root.as_uri()

    def path(self, key: str) -> Path | None:
        """Where a key's file lies; None for a key that names no visible file of the folder.

        The file may be a link to another file of the folder; the folders on its way are none.
        """
        parts = key.split("/")
        if any(part.startswith(".") or not part for part in parts) or not _can_be_a_key(key):
            return None
        path = self._root.joinpath(*parts)
        try:
            # Unlike Path.resolve, realpath stands links that lead round in a circle.
            real = Path(os.path.realpath(path))
            in_place = os.path.realpath(path.parent) == str(path.parent)
        except (OSError, RecursionError):  # the system follows no chain of so many links, either
            return None
        return path if in_place and real.is_relative_to(self._root) else None

    def ref(self, path: Path) -> ImageRef | None:
        """The image that a path below the folder stands for; None for what is not seen."""
        key = path.relative_to(self._root).as_posix()
        return ImageRef(self.bucket, key) if self.path(key) else None

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
            with os.fdopen(_open_at_once(path), "rb") as file:
                data = file.read(-1 if first is None else first)
                if _state(os.fstat(file.fileno())) == state:
                    return data
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            pass
        except OSError as error:
            if error.errno not in _NO_SUCH_NAME and error.errno != errno.ENXIO:
                raise _unavailable(ref, error) from error
        raise ObjectChanged(f"{ref.key} changed while it was read")

    def list_images(self, below: Path | None = None) -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every visible file, as `walk` meets them."""
        for entry in self.walk(below):
            if isinstance(entry, Listed):
                yield entry.ref, entry.state

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Path and reason of what cannot be handled, as `walk` meets it."""
        for entry in self.walk():
            if isinstance(entry, PassedOver):
                yield entry.path, entry.reason

    def walk(self, below: Path | None = None) -> Iterator[Entry]:
        """Everything visible in the folder, files in the order of their keys' UTF-8 bytes.

        Raises no OSError: what cannot be listed or followed is passed over with its reason.
        """
        points = mount_points()
        waiting: list[tuple[os.DirEntry[str], int]] = []
        yield from self._open(str(below or self._root), NO_DEVICE, points, waiting)
        while waiting:
            entry, device = waiting.pop()
            if not _can_be_a_key(entry.name):
                if named_as_image(entry.name) or _leads_to_folder(entry):
                    yield PassedOver(self._key(entry.path), "its name is not UTF-8: rename it")
            elif _is_folder(entry):
                yield from self._open(entry.path, device, points, waiting)
            elif found := self._file(entry):
                yield found

    def _open(
        self,
        path: str,
        parent_device: int,
        points: frozenset[str],
        waiting: list[tuple[os.DirEntry[str], int]],
    ) -> Iterator[PassedOver | Mounted]:
        """Put what is in a folder on the stack, last key first."""
        device = parent_device
        seen: list[os.DirEntry[str]] = []
        try:
            # The dot asks for the right to enter, without which nothing in there can be looked at.
            device = os.stat(path + "/.").st_dev  # noqa: PTH116
            if device != parent_device or path in points:
                yield Mounted(self._key(path), place_of(path))
            with os.scandir(path) as entries:
                seen += (entry for entry in entries if self._accepts(entry))
        except (FileNotFoundError, NotADirectoryError):
            return  # it went away since it was listed
        except OSError as error:
            yield PassedOver(self._key(path) or ".", f"it cannot be listed: {said(error)}")
        seen.sort(key=_key_bytes, reverse=True)
        waiting += [(entry, device) for entry in seen]

    def _accepts(self, entry: os.DirEntry[str]) -> bool:
        """Whether an entry, and all that is in it, is looked at: the one place that says so."""
        return not entry.name.startswith(".")

    def _file(self, entry: os.DirEntry[str]) -> Listed | PassedOver | None:
        """What is no folder: None for what is no image, and for what went away meanwhile."""
        key = self._key(entry.path)
        try:
            is_link = entry.is_symlink()
            found = entry.stat()
        except FileNotFoundError:
            if named_as_image(entry.name) and _is_link(entry):
                return PassedOver(key, "the link leads nowhere: remove it or mend it")
            return None
        except OSError as error:
            what = "the link cannot be followed" if _is_link(entry) else "it cannot be looked at"
            return PassedOver(key, f"{what}: {said(error)}")
        image = named_as_image(entry.name)
        if is_link and not Path(os.path.realpath(entry.path)).is_relative_to(self._root):
            out = "it leads out of the folder: put the images themselves here"
            return PassedOver(key, out) if image or S_ISDIR(found.st_mode) else None
        if S_ISREG(found.st_mode):
            return Listed(ImageRef(self.bucket, key), _state(found))
        if image and not S_ISDIR(found.st_mode):
            return PassedOver(key, f"it is {_kind(found.st_mode)}, not a file")
        return None

    def _key(self, path: str) -> str:
        return path[len(self._prefix) :]

    def url(self, ref: ImageRef) -> str:
        return self._files_url + quote(ref.key)


# No file of this machine can have such a name.
_NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
# What the machine runs short of for a moment.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)
_KINDS = (
    (S_ISFIFO, "a named pipe"),
    (S_ISSOCK, "a socket"),
    (S_ISBLK, "a device"),
    (S_ISCHR, "a device"),
)


def _can_be_a_key(name: str) -> bool:
    """A name that is no valid UTF-8, or holds a NUL, cannot be one."""
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def _state(found: os.stat_result) -> ObjectState:
    """Size, times and inode stand for the content, as they do for git and borg.

    A program can set the modification time back, but not the time of change (ctime). The inode
    number is left out where the filesystem does not keep it.
    """
    inode = found.st_ino if has_lasting_inodes(found.st_dev) else 0
    etag = f"{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{inode:x}"
    return ObjectState(etag, _moment(found.st_mtime_ns), found.st_size)


def _moment(nanoseconds: int) -> datetime:
    """The nearest time that a datetime can hold."""
    try:
        moment = EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return LATEST if nanoseconds > 0 else EARLIEST
    return max(EARLIEST, min(moment, LATEST))


def _unavailable(ref: ImageRef, error: OSError) -> Unavailable:
    message = f"cannot read {ref.key}: {said(error)}"
    if error.errno in _PASSING:
        return Unavailable(message, "try again")
    return Unreachable(message, "check the file's permissions and its disk")


def said(error: OSError) -> str:
    """What the system says, such as `Permission denied`."""
    return error.strerror or str(error) or type(error).__name__


def _open_at_once(path: Path) -> int:
    """Open without waiting: a named pipe in the place of a file has perhaps nobody at its end."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # then it is told where it is looked at
        return False


def _is_link(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _kind(mode: int) -> str:
    return next((name for is_it, name in _KINDS if is_it(mode)), "something else")


def _key_bytes(entry: os.DirEntry[str]) -> bytes:
    """Where the keys of an entry stand in order: all keys in a folder go on with a slash."""
    return os.fsencode(entry.name) + (b"/" if _is_folder(entry) else b"")
