"""The state of a file as an object's: entity tag, time and size; names that can be keys."""

import os
from datetime import UTC, datetime, timedelta

from imagesearch.adapters.filesystem.mounts import has_lasting_inodes
from imagesearch.domain.images import ObjectState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A file's time may be any number; so far apart are those that a datetime in any zone can hold.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def object_state(found: os.stat_result) -> ObjectState:
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


def can_be_key(name: str) -> bool:
    """A name that is no valid UTF-8, or holds a NUL, cannot be one."""
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def error_text(error: OSError) -> str:
    """What the system says, such as `Permission denied`."""
    return error.strerror or str(error) or type(error).__name__
