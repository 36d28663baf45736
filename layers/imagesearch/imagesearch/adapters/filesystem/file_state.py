"""The ETag, time and size of a file, and names that can be keys."""

import os
from datetime import UTC, datetime, timedelta

from imagesearch.adapters.filesystem.mounts import has_lasting_inodes
from imagesearch.domain.images import ObjectState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A file's time may be any number; these are the limits of a datetime in any time zone.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def object_state(found: os.stat_result) -> ObjectState:
    """The ETag is of size, times and inode, by which git and borg detect changes, too.

    A program can reset the modification time, but not the time of change (ctime). The inode number
    is omitted where the filesystem does not keep it.
    """
    inode = found.st_ino if has_lasting_inodes(found.st_dev) else 0
    etag = f"{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{inode:x}"
    return ObjectState(etag, moment(found.st_mtime_ns), found.st_size)


def moment(nanoseconds: int) -> datetime:
    """The nearest time that a datetime can represent."""
    try:
        moment = EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return LATEST if nanoseconds > 0 else EARLIEST
    return max(EARLIEST, min(moment, LATEST))


def can_be_key(name: str) -> bool:
    """False for a name that is not valid UTF-8 or contains NUL."""
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def error_text(error: OSError) -> str:
    """The system's message, such as `Permission denied`."""
    return error.strerror or str(error) or type(error).__name__
