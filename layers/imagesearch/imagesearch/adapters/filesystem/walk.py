"""The walk of a folder: files in the order of keys, and entries excluded or skipped."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import TypeAlias

from imagesearch.adapters.filesystem.excludes import IGNORE_FILE, OWN_DATA, Excludes
from imagesearch.adapters.filesystem.file_state import can_be_key, error_text, object_state
from imagesearch.adapters.filesystem.mounts import MountPoint, mount_point_of, mounted_paths
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.media_types import named_as_image

NO_DEVICE = -1
_KINDS = (
    (S_ISFIFO, "a named pipe"),
    (S_ISSOCK, "a socket"),
    (S_ISBLK, "a device"),
    (S_ISCHR, "a device"),
)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that has a key and may be an image."""

    ref: ImageRef
    state: ObjectState


@dataclass(frozen=True, slots=True)
class Skipped:
    """A possible image, or a folder of them, that cannot be processed; `path` is relative.

    A folder that cannot be listed is `unlisted` and stands for all its files. Bytes of a path that
    are not UTF-8 are surrogates.
    """

    path: str
    reason: str
    unlisted: bool = False


@dataclass(frozen=True, slots=True)
class Mounted:
    """A folder at which another filesystem is mounted; the root has the key ""."""

    key: str
    mount_point: MountPoint


@dataclass(frozen=True, slots=True)
class ExcludedEntry:
    """An excluded file, or folder with its content, and the reason."""

    path: str
    is_dir: bool
    reason: str


Entry: TypeAlias = ListedFile | Skipped | Mounted | ExcludedEntry


class FolderWalk:
    """Walks the folder `root`, an absolute path, whose entries get keys of `bucket`."""

    def __init__(self, root: Path, bucket: str, excludes: Excludes) -> None:
        self._root = root
        self._prefix = os.path.join(root, "")  # noqa: PTH118 - with a slash at its end
        self._bucket = bucket
        self._excludes = excludes

    def entries(self, below: Path | None = None) -> Iterator[Entry]:
        """Everything visible in the folder, files in the order of their keys' UTF-8 bytes.

        Raises no OSError: an entry that cannot be listed or followed is Skipped with the reason.
        """
        mounted = mounted_paths()
        stack: list[tuple[os.DirEntry[str], int]] = []
        yield from self._open(str(below or self._root), NO_DEVICE, mounted, stack)
        while stack:
            entry, device = stack.pop()
            if not can_be_key(entry.name):
                if named_as_image(entry.name) or _leads_to_folder(entry):
                    yield Skipped(self._key(entry.path), "its name is not UTF-8: rename it")
            elif _is_folder(entry):
                yield from self._open(entry.path, device, mounted, stack)
            elif found := self._file(entry):
                yield found

    def _open(
        self,
        path: str,
        parent_device: int,
        mounted: frozenset[str],
        stack: list[tuple[os.DirEntry[str], int]],
    ) -> Iterator[Skipped | Mounted | ExcludedEntry]:
        """Push the entries of a folder on the stack, last key first; yield the excluded ones.

        A folder whose ignore file cannot be read is skipped with all its content.
        """
        device = parent_device
        seen: list[os.DirEntry[str]] = []
        try:
            # The dot requires permission to enter the folder, which its files need.
            device = os.stat(path + "/.").st_dev  # noqa: PTH116
            if device != parent_device or path in mounted:
                yield Mounted(self._key(path), mount_point_of(path))
            with os.scandir(path) as entries:
                seen += entries
        except (FileNotFoundError, NotADirectoryError):
            return  # removed since it was listed
        except OSError as error:
            reason = f"it cannot be listed: {error_text(error)}"
            yield Skipped(self._key(path) or ".", reason, unlisted=True)
        try:
            rules = self._excludes.rules_in(self._key(path))
        except Unavailable:
            folder = self._key(path)
            problem = self._excludes.ignore_file_error(folder)
            reason = f"{problem}: files in its folder are not processed"
            yield Skipped(f"{folder}/{IGNORE_FILE}".lstrip("/"), reason)
            return
        seen.sort(key=_key_bytes, reverse=True)
        for entry in seen:
            is_dir = _is_folder(entry)
            if not (reason := rules.exclusion_reason(entry.name, is_dir)):
                stack.append((entry, device))
            elif is_dir or reason != OWN_DATA:
                yield ExcludedEntry(self._key(entry.path), is_dir, reason)

    def _file(self, entry: os.DirEntry[str]) -> ListedFile | Skipped | None:
        """An entry that is not a folder; None if not an image, or removed since it was listed."""
        key = self._key(entry.path)
        try:
            is_link = entry.is_symlink()
            found = entry.stat()
        except FileNotFoundError:
            if named_as_image(entry.name) and _is_link(entry):
                return Skipped(key, "the link is broken: remove or repair it")
            return None
        except OSError as error:
            what = "the link cannot be followed" if _is_link(entry) else "it cannot be read"
            return Skipped(key, f"{what}: {error_text(error)}")
        image = named_as_image(entry.name)
        real = Path(os.path.realpath(entry.path)) if is_link else Path(entry.path)
        if self._excludes.leads_to_own_data(Path(entry.path), real):
            return None
        if not real.is_relative_to(self._root):
            outside = "it leads out of the folder: put the images themselves here"
            return Skipped(key, outside) if image or S_ISDIR(found.st_mode) else None
        if S_ISREG(found.st_mode):
            return ListedFile(ImageRef(self._bucket, key), object_state(found))
        if image and not S_ISDIR(found.st_mode):
            return Skipped(key, f"it is {_kind(found.st_mode)}, not a file")
        return None

    def _key(self, path: str) -> str:
        return path[len(self._prefix) :].replace(os.sep, "/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # reported where it is processed
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
    """The sort key of an entry: all keys in a folder continue with a slash."""
    return os.fsencode(entry.name) + (b"/" if _is_folder(entry) else b"")
