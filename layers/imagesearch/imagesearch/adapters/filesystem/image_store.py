"""An image store over a folder of this machine: its path is the bucket, relative paths the keys."""

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import TypeAlias
from urllib.parse import quote

from imagesearch.adapters.filesystem.excludes import IGNORE_FILE, OWN, Excludes
from imagesearch.adapters.filesystem.mounts import Place, has_lasting_inodes, mount_points, place_of
from imagesearch.domain.errors import ObjectChanged, Unavailable, Unreachable
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.media_types import named_as_image

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
class Skipped:
    """What may be an image, or hold some, and cannot be handled: its path from the folder, and why.

    A folder stands for all that is in it: it is `unlisted` where that cannot be told. Of what
    cannot be printed, there are surrogates.
    """

    path: str
    reason: str
    unlisted: bool = False


@dataclass(frozen=True, slots=True)
class Mounted:
    """A folder at which another filesystem begins; the root has the key ""."""

    key: str
    place: Place


@dataclass(frozen=True, slots=True)
class Hidden:
    """Why a file cannot be seen though it may be there: the trouble is with `where`, a path.

    `away` where a whole filesystem is: nothing is known of the folder's present content.
    """

    where: str
    reason: str
    away: bool = False

    def holds(self, folder: str) -> bool:
        """Whether all files of a folder are hidden by this, not the one alone."""
        return not self.where or folder == self.where or folder.startswith(self.where + "/")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a folder with all in it, that is no part of the library, and why."""

    path: str
    is_dir: bool
    reason: str


Entry: TypeAlias = Listed | Skipped | Mounted | LeftOut


class FolderStore:
    """What `excludes` excludes is not seen; without, that is what the defaults exclude."""

    def __init__(
        self, folder: Path, files_url: str = "/files/", excludes: Excludes | None = None
    ) -> None:
        self._root = folder.resolve()
        self.excludes = excludes or Excludes(self._root)
        self._prefix = os.path.join(self._root, "")  # noqa: PTH118 - with a slash at its end
        self._bucket = self._root.as_uri()
        self._files_url = files_url
        self._places: Mapping[str, Place] = {}
        self._unlisted: Collection[str] = ()
        self._given_up: Collection[str] = ()

    def know(self, places: Mapping[str, Place], unlisted: Collection[str] = ()) -> None:
        """Take nothing below these places for deleted while they are away.

        Their keys are those of `Mounted`; `unlisted` are folders that could not be listed.
        """
        self._places = dict(places)
        self._unlisted = tuple(unlisted)

    @contextmanager
    def giving_up(self, keys: Collection[str]) -> Iterator[None]:
        """Meanwhile, of these keys, what cannot be seen is taken for deleted."""
        self._given_up = frozenset(keys)
        try:
            yield
        finally:
            self._given_up = ()

    def fingerprint(self) -> tuple[object, ...]:
        """Another one when a place has come or gone, or a folder may be listed that could not be.

        It takes one look at each of them, so it can be asked for often.
        """
        keys = {"", *self._places, *self._unlisted}
        return tuple((key, _identity(self._prefix + key)) for key in sorted(keys))

    @property
    def bucket(self) -> str:
        return self._bucket

    def path(self, key: str) -> Path | None:
        """Where a key's file lies; None for a key that names no visible file of the folder.

        The file may be a link to another file of the folder; the folders on its way are none.
        Raises Unavailable where it cannot be told what is visible.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or not _can_be_a_key(key):
            return None
        if self.excludes.excluded(key):
            return None
        path = self._root.joinpath(*parts)
        try:
            # Unlike Path.resolve, realpath stands links that lead round in a circle.
            root = Path(os.path.realpath(self._root))
            real = Path(os.path.realpath(path))
            folder = os.path.realpath(path.parent)
        except (OSError, RecursionError):  # the system follows no chain of so many links, either
            return None
        in_place = folder == str(root.joinpath(*parts[:-1]))
        if not in_place or not real.is_relative_to(root):
            return None
        return None if self.excludes.leads_to_own_data(path, real) else path

    def ref(self, path: Path) -> ImageRef | None:
        """The image that a path below the folder stands for; None for what is not seen."""
        key = path.relative_to(self._root).as_posix()
        try:
            return ImageRef(self.bucket, key) if self.path(key) else None
        except Unavailable:  # whoever looks at it hears why
            return ImageRef(self.bucket, key)

    def head(self, ref: ImageRef) -> ObjectState | None:
        """What is there now; raises Unreachable for what may be there and cannot be seen."""
        try:
            return self._look(ref.key)
        except OSError as error:
            raise _unavailable(ref, error) from error

    def reach(self, ref: ImageRef) -> None:
        """Raises Unreachable where a file cannot be seen, or not be read, until someone acts."""
        if state := self.head(ref):
            with suppress(ObjectChanged):
                self.read(ref, state, 1)

    def hidden(self, key: str) -> Hidden | None:
        """Why the file of a key may be there though a look finds none; None: it was deleted.

        Stricter than `head`, for which an empty folder that is the same as ever is just empty:
        nobody has told of the deletions here.
        """
        try:
            if self._look(key):
                return None
        except _Away as error:
            return Hidden(error.filename, said(error), away=True)
        except OSError as error:
            return Hidden(self._obstacle(key), said(error))
        at = self._place(key)
        if _is_empty(self._prefix + at):
            return Hidden(at, "the folder is empty: is its disk mounted?", away=True)
        return None

    def _look(self, key: str) -> ObjectState | None:
        """Raises OSError for what may be there and cannot be seen."""
        path = self.path(key)
        if path is None:
            return None
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._must_be_there(key, path)
            return None
        except OSError as error:
            if error.errno in _NO_SUCH_NAME or key in self._given_up:
                return None
            raise
        return _state(found) if S_ISREG(found.st_mode) else None

    def _must_be_there(self, key: str, path: Path) -> None:
        """Raise _Away where what a file lay on is away; a link's target counts, too."""
        if not self._places or key in self._given_up:
            return
        real = os.path.realpath(path)
        for each in {key, self._key(real) if real.startswith(self._prefix) else key}:
            at = self._place(each)
            if at in self._places and (reason := self._away(each, at)):
                raise _Away(errno.ENODEV, reason, at)

    def _away(self, key: str, at: str) -> str:
        """Why what a place holds cannot be seen; "" where it is there as it was known."""
        known = self._places[at]
        try:
            here = place_of(self._prefix + at)
            deepest = place_of(self._deepest_folder(key))
        except OSError as error:
            return f"its folder is away: {said(error)}"
        if not (here.has_filesystem_of(known) and deepest.has_filesystem_of(known)):
            return "another disk is mounted than before, or none"
        if not here.is_directory_of(known) and _is_empty(self._prefix + at):
            return "the folder is empty: is its disk mounted?"
        return ""

    def _place(self, key: str) -> str:
        """The key of the innermost known place in which a file lies."""
        around = [at for at in self._places if not at or key.startswith(at + "/")]
        return max(around, key=len, default="")

    def _deepest_folder(self, key: str) -> str:
        """The innermost folder on the way to a file that is there. Raises OSError."""
        path = self._prefix + key
        while path.startswith(self._prefix):
            path = os.path.dirname(path)  # noqa: PTH120
            try:
                if S_ISDIR(os.lstat(path).st_mode):
                    return path
            except (FileNotFoundError, NotADirectoryError):
                continue
        return str(self._root)

    def _obstacle(self, key: str) -> str:
        """The outermost folder on the way to a file that may not be entered, or the file."""
        parts = key.split("/")
        for depth in range(len(parts)):
            folder = "/".join(parts[:depth])
            try:
                os.stat(f"{self._prefix}{folder}/.")  # noqa: PTH116
            except OSError:
                return folder
        return key

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
            if isinstance(entry, Skipped):
                yield entry.path, entry.reason

    def trouble(self, folder: Path) -> str:
        """What is wrong with the ignore file in a folder; "" where nothing is."""
        return self.excludes.trouble(self._key(str(folder)))

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
                    yield Skipped(self._key(entry.path), "its name is not UTF-8: rename it")
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
    ) -> Iterator[Skipped | Mounted | LeftOut]:
        """Put what is in a folder on the stack, last key first; tell what of it is left out.

        An ignore file that cannot be read stands for all that is in its folder.
        """
        device = parent_device
        seen: list[os.DirEntry[str]] = []
        try:
            # The dot asks for the right to enter, without which nothing in there can be looked at.
            device = os.stat(path + "/.").st_dev  # noqa: PTH116
            if device != parent_device or path in points:
                yield Mounted(self._key(path), place_of(path))
            with os.scandir(path) as entries:
                seen += entries
        except (FileNotFoundError, NotADirectoryError):
            return  # it went away since it was listed
        except OSError as error:
            reason = f"it cannot be listed: {said(error)}"
            yield Skipped(self._key(path) or ".", reason, unlisted=True)
        try:
            rules = self.excludes.of(self._key(path))
        except Unavailable:
            at = self._key(path)
            reason = f"{self.excludes.trouble(at)}: nothing beside it is touched"
            yield Skipped(f"{at}/{IGNORE_FILE}".lstrip("/"), reason)
            return
        seen.sort(key=_key_bytes, reverse=True)
        for entry in seen:
            is_dir = _is_folder(entry)
            if not (why := rules.why(entry.name, is_dir)):
                waiting.append((entry, device))
            elif is_dir or why != OWN:
                yield LeftOut(self._key(entry.path), is_dir, why)

    def _file(self, entry: os.DirEntry[str]) -> Listed | Skipped | None:
        """What is no folder: None for what is no image, and for what went away meanwhile."""
        key = self._key(entry.path)
        try:
            is_link = entry.is_symlink()
            found = entry.stat()
        except FileNotFoundError:
            if named_as_image(entry.name) and _is_link(entry):
                return Skipped(key, "the link leads nowhere: remove it or mend it")
            return None
        except OSError as error:
            what = "the link cannot be followed" if _is_link(entry) else "it cannot be looked at"
            return Skipped(key, f"{what}: {said(error)}")
        image = named_as_image(entry.name)
        real = Path(os.path.realpath(entry.path)) if is_link else Path(entry.path)
        if self.excludes.leads_to_own_data(Path(entry.path), real):
            return None
        if not real.is_relative_to(self._root):
            out = "it leads out of the folder: put the images themselves here"
            return Skipped(key, out) if image or S_ISDIR(found.st_mode) else None
        if S_ISREG(found.st_mode):
            return Listed(ImageRef(self.bucket, key), _state(found))
        if image and not S_ISDIR(found.st_mode):
            return Skipped(key, f"it is {_kind(found.st_mode)}, not a file")
        return None

    def _key(self, path: str) -> str:
        return path[len(self._prefix) :]

    def url(self, ref: ImageRef) -> str:
        return self._files_url + quote(ref.key)


class _Away(OSError):
    """A file's filesystem is not there: `filename` is the key of its place."""


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


def _is_empty(folder: str) -> bool:
    """Whether nothing visible is in a folder; false for one that cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return all(entry.name.startswith(".") for entry in entries)
    except OSError:
        return False


def _identity(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid


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
