"""Mounted filesystems: the one of a directory, and the stability of its inode numbers."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
# Filesystems that generate inode numbers at lookup, or may do so.
_VOLATILE_INODES = ("vfat", "msdos", "exfat", "9p", "cifs", "smb3", "fuse", "fuseblk")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mountinfo: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"""

    point: str
    device: int
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A directory at which a filesystem is mounted, or a served folder's root.

    `device` is st_dev, `filesystem` f_fsid (0: unknown), `inode` the directory's own, and `source`
    the server of a network filesystem, whose numbers change with every mount.
    """

    device: int
    filesystem: int
    inode: int
    source: str = ""

    def has_filesystem_of(self, other: "MountPoint") -> bool:
        """True if both are on one filesystem, which may have been mounted again."""
        if self.source or other.source:
            return self.source == other.source
        if self.filesystem and other.filesystem:
            return self.filesystem == other.filesystem
        return self.device == other.device

    def is_directory_of(self, other: "MountPoint") -> bool:
        return self.has_filesystem_of(other) and self.inode == other.inode


def mount_point_of(path: str) -> MountPoint:
    """The mount point at a directory, which may also be an ordinary one. Raises OSError."""
    found = os.stat(path)  # noqa: PTH116 - Path does not accept every name
    filesystem = 0
    with suppress(OSError, AttributeError):  # Windows has no statvfs
        filesystem = os.statvfs(path).f_fsid
    source = ""
    if hasattr(os, "major") and os.major(found.st_dev) == 0:
        source = next((m.source for m in mounts() if m.device == found.st_dev), "")
    remote = source if ":" in source or source.startswith("//") else ""
    return MountPoint(found.st_dev, filesystem, found.st_ino, remote)


def mounted_paths() -> frozenset[str]:
    """The directories of this machine on which something is mounted, bind mounts included."""
    return frozenset(mount.point for mount in mounts())


@cache
def has_lasting_inodes(device: int) -> bool:
    """True if files on this device keep their inode numbers, and where that is unknown."""
    kinds = (mount.kind for mount in mounts() if mount.device == device)
    return not any(kind in _VOLATILE_INODES or kind.startswith("fuse.") for kind in kinds)


def mounts() -> Iterator[Mount]:
    """All mounts; none on a system without /proc/self/mountinfo."""
    try:
        lines = os.fsdecode(MOUNTINFO.read_bytes()).splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError):
            before, after = line.split(" - ", 1)
            _, _, device, _, point, *_ = before.split(" ")
            kind, source, *_ = after.split(" ")
            major, minor = map(int, device.split(":"))
            yield Mount(_plain(point), os.makedev(major, minor), kind, _plain(source))


def _plain(text: str) -> str:
    """The kernel writes space, tab, newline and backslash as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
