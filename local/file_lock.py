"""Lock of an open file, which the operating system releases when the process ends in any way."""

import os
from importlib import import_module
from typing import Any

# Locks of Windows are mandatory and on bytes: this one is after the end of every file.
_WINDOWS_BYTE = 2**30


def lock(file: int, *, shared: bool = False) -> None:
    """Lock a file until its descriptor is closed.

    Raises BlockingIOError if it is locked already; two shared locks are compatible, on POSIX only.
    """
    try:
        import fcntl
    except ImportError:
        _lock_on_windows(file)
    else:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _lock_on_windows(file: int) -> None:
    msvcrt: Any = import_module("msvcrt")
    position = os.lseek(file, 0, os.SEEK_CUR)
    os.lseek(file, _WINDOWS_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(*error.args) from error
    finally:
        os.lseek(file, position, os.SEEK_SET)
