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
from imagesearch.adapters.filesystem.mounts import MountPoint, mount_point_of
from imagesearch.adapters.filesystem.spelling import is_spelled
from imagesearch.adapters.filesystem.walk import Entry, FolderWalk, ListedFile, Skipped
from imagesearch.domain.errors import ObjectChanged, Unavailable, Unreachable
from imagesearch.domain.images import ImageRef, ObjectState

# Errors of names that no file can have.
_INVALID_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
# Windows has named pipes in no folder, and translates line ends unless a file is binary.
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
# Temporary shortages of the machine.
_TEMPORARY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)


@dataclass(frozen=True, slots=True)
class Unavailability:
    """The reason why a file that may exist cannot be read; the cause is at `path`.

    With `filesystem` an entire filesystem is unavailable, and the content of the folder is unknown.
    """

    path: str
    reason: str
    filesystem: bool = False

    def covers(self, folder: str) -> bool:
        """True if all files of a folder are unavailable for this reason."""
        return not self.path or folder == self.path or folder.startswith(self.path + "/")


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
        self._mount_points: Mapping[str, MountPoint] = {}
        self._unlisted: Collection[str] = ()
        self._treated_as_deleted: Collection[str] = ()

    def set_mount_points(
        self, mount_points: Mapping[str, MountPoint], unlisted: Collection[str] = ()
    ) -> None:
        """Report nothing below these mount points as deleted while they are unavailable.

        Their keys are those of `Mounted`; `unlisted` are folders that could not be listed.
        """
        self._mount_points = dict(mount_points)
        self._unlisted = tuple(unlisted)

    @contextmanager
    def treating_as_deleted(self, keys: Collection[str]) -> Iterator[None]:
        """In this context, unavailable files of these keys are reported as deleted."""
        self._treated_as_deleted = frozenset(keys)
        try:
            yield
        finally:
            self._treated_as_deleted = ()

    def fingerprint(self) -> tuple[object, ...]:
        """A value that changes when a disk is mounted or unmounted, or a folder becomes listable.

        One system call for each of them: cheap enough for polling.
        """
        keys = {"", *self._mount_points, *self._unlisted}
        return tuple((key, _identity(self._prefix + key)) for key in sorted(keys))

    @property
    def bucket(self) -> str:
        return self._bucket

    def path(self, key: str) -> Path | None:
        """The path of a key; None for a key of no visible file of the folder.

        The file may be a link to another file of the folder; its folders may not be links. A key
        has the letters of the file's name, where another case leads to the file, too. Raises
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
        if not all(map(is_spelled, (path, *path.parents[: len(parts) - 1]))):
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
        """The state of the file; raises Unreachable if it may exist and is unavailable."""
        try:
            return self._stat(ref.key)
        except OSError as error:
            raise _unavailable(ref, error) from error

    def check_readable(self, ref: ImageRef) -> None:
        """Raises Unreachable if a file is unavailable until a user intervenes."""
        if state := self.head(ref):
            with suppress(ObjectChanged):
                self.read(ref, state, 1)

    def unavailability(self, key: str) -> Unavailability | None:
        """The reason why the file of a key may exist though it is not found; None: deleted.

        Stricter than `head`, for which an empty but otherwise unchanged folder is empty: here no
        event has reported the deletions.
        """
        try:
            if self._stat(key):
                return None
        except _FilesystemUnavailable as error:
            return Unavailability(error.filename, error_text(error), filesystem=True)
        except OSError as error:
            return Unavailability(self._obstacle(key), error_text(error))
        mount = self._mount_point(key)
        if _is_empty(self._prefix + mount):
            reason = "the folder is empty: is its disk mounted?"
            return Unavailability(mount, reason, filesystem=True)
        return None

    def _stat(self, key: str) -> ObjectState | None:
        """The state of the file; raises OSError if it may exist and is unavailable."""
        path = self.path(key)
        if path is None:
            return None
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._check_mount_point(key, path)
            return None
        except OSError as error:
            if error.errno in _INVALID_NAME or key in self._treated_as_deleted:
                return None
            raise
        return object_state(found) if S_ISREG(found.st_mode) else None

    def _check_mount_point(self, key: str, path: Path) -> None:
        """Raises _FilesystemUnavailable for the filesystem of a file or of a link's target."""
        if not self._mount_points or key in self._treated_as_deleted:
            return
        real = os.path.realpath(path)
        for each in {key, self._key(real) if real.startswith(self._prefix) else key}:
            mount = self._mount_point(each)
            if mount in self._mount_points and (reason := self._mount_error(each, mount)):
                raise _FilesystemUnavailable(errno.ENODEV, reason, mount)

    def _mount_error(self, key: str, mount: str) -> str:
        """The reason why the content of a mount point is unavailable; "" if it is as recorded."""
        recorded = self._mount_points[mount]
        try:
            current = mount_point_of(self._prefix + mount)
            deepest = mount_point_of(self._deepest_folder(key))
        except OSError as error:
            return f"its folder is unavailable: {error_text(error)}"
        if not (current.has_filesystem_of(recorded) and deepest.has_filesystem_of(recorded)):
            return "another disk is mounted than before, or none"
        if not current.is_directory_of(recorded) and _is_empty(self._prefix + mount):
            return "the folder is empty: is its disk mounted?"
        return ""

    def _mount_point(self, key: str) -> str:
        """The key of the innermost recorded mount point that contains a file."""
        outer = [mount for mount in self._mount_points if not mount or key.startswith(mount + "/")]
        return max(outer, key=len, default="")

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
            if error.errno not in _INVALID_NAME and error.errno != errno.ENXIO:
                raise _unavailable(ref, error) from error
        raise ObjectChanged(f"{ref.key} changed while it was read")

    def list_images(
        self, after: str = "", below: Path | None = None
    ) -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every visible file after the key `after`, in the order of `walk`."""
        for entry in self.walk(below):
            if isinstance(entry, ListedFile) and entry.ref.key.encode() > after.encode():
                yield entry.ref, entry.state

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Path and reason of each entry that cannot be processed, in the order of `walk`."""
        for entry in self.walk():
            if isinstance(entry, Skipped):
                yield entry.path, entry.reason

    def ignore_file_error(self, folder: Path) -> str:
        """The error of the ignore file in a folder, or ""."""
        return self.excludes.ignore_file_error(self._key(str(folder)))

    def walk(self, below: Path | None = None) -> Iterator[Entry]:
        """Everything visible in the folder; see FolderWalk."""
        return self._walk.entries(below)

    def _key(self, path: str) -> str:
        return path[len(self._prefix) :].replace(os.sep, "/")

    def url(self, ref: ImageRef) -> str:
        return self._files_url + quote(ref.key)


class _FilesystemUnavailable(OSError):
    """The filesystem of a file is unavailable; `filename` is the key of its mount point."""


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
    return os.open(path, _READ)
