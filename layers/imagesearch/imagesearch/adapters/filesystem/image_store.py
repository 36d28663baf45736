"""The image store of a folder: its URI is the bucket, relative paths are keys."""

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from urllib.parse import quote

from imagesearch.adapters.filesystem.excludes import Excludes
from imagesearch.adapters.filesystem.file_state import can_be_key, error_text, object_state
from imagesearch.adapters.filesystem.mounts import Place, place_of
from imagesearch.adapters.filesystem.walk import Entry, FolderWalk, ListedFile, Skipped
from imagesearch.domain.errors import ObjectChanged, Unavailable, Unreachable
from imagesearch.domain.images import ImageRef, ObjectState

# No file can have such a name.
_NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
# Temporary shortages of the machine.
_TEMPORARY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)


@dataclass(frozen=True, slots=True)
class Hidden:
    """The reason why a file that may exist cannot be seen; the cause is at the path `where`.

    With `away` a whole filesystem is unavailable, and the content of the folder is unknown.
    """

    where: str
    reason: str
    away: bool = False

    def holds(self, folder: str) -> bool:
        """True if this hides all files of a folder."""
        return not self.where or folder == self.where or folder.startswith(self.where + "/")


class FolderStore:
    """Implements ImageStore without the excluded files; `excludes` has the defaults if None."""

    def __init__(
        self, folder: Path, files_url: str = "/files/", excludes: Excludes | None = None
    ) -> None:
        self._root = folder.resolve()
        self.excludes = excludes or Excludes(self._root)
        self._prefix = os.path.join(self._root, "")  # noqa: PTH118 - with a slash at its end
        self._bucket = self._root.as_uri()
        self._files_url = files_url
        self._walk = FolderWalk(self._root, self._bucket, self.excludes)
        self._places: Mapping[str, Place] = {}
        self._unlisted: Collection[str] = ()
        self._treated_as_deleted: Collection[str] = ()

    def know(self, places: Mapping[str, Place], unlisted: Collection[str] = ()) -> None:
        """Report nothing below these places as deleted while they are unavailable.

        Their keys are those of `Mounted`; `unlisted` are folders that could not be listed.
        """
        self._places = dict(places)
        self._unlisted = tuple(unlisted)

    @contextmanager
    def giving_up(self, keys: Collection[str]) -> Iterator[None]:
        """In this context, files of these keys that cannot be seen count as deleted."""
        self._treated_as_deleted = frozenset(keys)
        try:
            yield
        finally:
            self._treated_as_deleted = ()

    def fingerprint(self) -> tuple[object, ...]:
        """A value that changes when a place is mounted or unmounted, or a folder becomes listable.

        One system call for each of them: cheap enough for polling.
        """
        keys = {"", *self._places, *self._unlisted}
        return tuple((key, _identity(self._prefix + key)) for key in sorted(keys))

    @property
    def bucket(self) -> str:
        return self._bucket

    def path(self, key: str) -> Path | None:
        """The path of a key; None for a key of no visible file of the folder.

        The file may be a link to another file of the folder; its folders may not be links. Raises
        Unavailable where excludes cannot be read.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or not can_be_key(key):
            return None
        if self.excludes.excluded(key):
            return None
        path = self._root.joinpath(*parts)
        try:
            # Unlike Path.resolve, realpath accepts circular links.
            root = Path(os.path.realpath(self._root))
            real = Path(os.path.realpath(path))
            folder = os.path.realpath(path.parent)
        except (OSError, RecursionError):  # too many links
            return None
        in_place = folder == str(root.joinpath(*parts[:-1]))
        if not in_place or not real.is_relative_to(root):
            return None
        return None if self.excludes.leads_to_own_data(path, real) else path

    def ref(self, path: Path) -> ImageRef | None:
        """The image reference of a path below the folder; None if it is not visible."""
        key = path.relative_to(self._root).as_posix()
        try:
            return ImageRef(self.bucket, key) if self.path(key) else None
        except Unavailable:  # reported when the image is processed
            return ImageRef(self.bucket, key)

    def head(self, ref: ImageRef) -> ObjectState | None:
        """The state of the file; raises Unreachable if it may exist and cannot be seen."""
        try:
            return self._stat(ref.key)
        except OSError as error:
            raise _unavailable(ref, error) from error

    def reach(self, ref: ImageRef) -> None:
        """Raises Unreachable if a file cannot be seen or read until a user intervenes."""
        if state := self.head(ref):
            with suppress(ObjectChanged):
                self.read(ref, state, 1)

    def hidden(self, key: str) -> Hidden | None:
        """The reason why the file of a key may exist though it is not found; None: deleted.

        Stricter than `head`, for which an empty but otherwise unchanged folder is empty: here no
        event has reported the deletions.
        """
        try:
            if self._stat(key):
                return None
        except _Away as error:
            return Hidden(error.filename, error_text(error), away=True)
        except OSError as error:
            return Hidden(self._obstacle(key), error_text(error))
        at = self._place(key)
        if _is_empty(self._prefix + at):
            return Hidden(at, "the folder is empty: is its disk mounted?", away=True)
        return None

    def _stat(self, key: str) -> ObjectState | None:
        """Raises OSError if the file may exist and cannot be seen."""
        path = self.path(key)
        if path is None:
            return None
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._check_place(key, path)
            return None
        except OSError as error:
            if error.errno in _NO_SUCH_NAME or key in self._treated_as_deleted:
                return None
            raise
        return object_state(found) if S_ISREG(found.st_mode) else None

    def _check_place(self, key: str, path: Path) -> None:
        """Raises _Away if the filesystem of a file or of a link's target is unavailable."""
        if not self._places or key in self._treated_as_deleted:
            return
        real = os.path.realpath(path)
        for each in {key, self._key(real) if real.startswith(self._prefix) else key}:
            at = self._place(each)
            if at in self._places and (reason := self._away(each, at)):
                raise _Away(errno.ENODEV, reason, at)

    def _away(self, key: str, at: str) -> str:
        """The reason why the content of a place cannot be seen; "" if it is as recorded."""
        known = self._places[at]
        try:
            here = place_of(self._prefix + at)
            deepest = place_of(self._deepest_folder(key))
        except OSError as error:
            return f"its folder is unavailable: {error_text(error)}"
        if not (here.has_filesystem_of(known) and deepest.has_filesystem_of(known)):
            return "another disk is mounted than before, or none"
        if not here.is_directory_of(known) and _is_empty(self._prefix + at):
            return "the folder is empty: is its disk mounted?"
        return ""

    def _place(self, key: str) -> str:
        """The key of the innermost known place that contains a file."""
        around = [at for at in self._places if not at or key.startswith(at + "/")]
        return max(around, key=len, default="")

    def _deepest_folder(self, key: str) -> str:
        """The innermost existing folder of a file. Raises OSError."""
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
        """The outermost folder of a file that cannot be entered, or the file."""
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
            with os.fdopen(_open_nonblocking(path), "rb") as file:
                data = file.read(-1 if first is None else first)
                if object_state(os.fstat(file.fileno())) == state:
                    return data
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            pass
        except OSError as error:
            if error.errno not in _NO_SUCH_NAME and error.errno != errno.ENXIO:
                raise _unavailable(ref, error) from error
        raise ObjectChanged(f"{ref.key} changed while it was read")

    def list_images(self, below: Path | None = None) -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every visible file, in the order of `walk`."""
        for entry in self.walk(below):
            if isinstance(entry, ListedFile):
                yield entry.ref, entry.state

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Path and reason of each entry that cannot be processed, in the order of `walk`."""
        for entry in self.walk():
            if isinstance(entry, Skipped):
                yield entry.path, entry.reason

    def trouble(self, folder: Path) -> str:
        """The error of the ignore file in a folder, or ""."""
        return self.excludes.trouble(self._key(str(folder)))

    def walk(self, below: Path | None = None) -> Iterator[Entry]:
        """Everything visible in the folder; see FolderWalk."""
        return self._walk.entries(below)

    def _key(self, path: str) -> str:
        return path[len(self._prefix) :]

    def url(self, ref: ImageRef) -> str:
        return self._files_url + quote(ref.key)


class _Away(OSError):
    """The filesystem of a file is unavailable; `filename` is the key of its place."""


def _unavailable(ref: ImageRef, error: OSError) -> Unavailable:
    message = f"cannot read {ref.key}: {error_text(error)}"
    if error.errno in _TEMPORARY:
        return Unavailable(message, "try again")
    return Unreachable(message, "check the file's permissions and its disk")


def _is_empty(folder: str) -> bool:
    """True if a folder has no visible entries; false if it cannot be listed."""
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


def _open_nonblocking(path: Path) -> int:
    """Open without blocking, as a named pipe without writer would."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
