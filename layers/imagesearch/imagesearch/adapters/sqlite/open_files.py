"""The files that this process has open by SQLite, and reading them without it.

A POSIX process that closes any descriptor of a file loses its locks on it, and another process then
deletes the log of its writes: https://sqlite.org/howtocorrupt.html. A file that is open by SQLite
is therefore closed by others after its last connection only, as SQLite itself does.
"""

import os
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FileId = tuple[int, int]

_connections: Counter[FileId | None] = Counter()
_unclosed: defaultdict[FileId | None, list[BinaryIO]] = defaultdict(list)
# Reentrant, for connections are also closed by garbage collections.
_lock = threading.RLock()


class FileConnection(sqlite3.Connection):
    """A connection to a file that another one can replace under its path."""

    file: FileId | None = None


def opened(path: Path, connect: Callable[[], FileConnection]) -> FileConnection:
    """The new connection of `connect`, which must be closed by `closed`."""
    with _lock:
        connection = connect()
        try:
            # SQLite creates a new file with the first statement.
            connection.execute("PRAGMA schema_version")
        except BaseException:
            connection.close()
            raise
        connection.file = file_id(path)
        _connections[connection.file] += 1
        return connection


def closed(connection: FileConnection) -> None:
    """Close a connection of `opened`; it must not be closed twice."""
    with _lock:
        connection.close()
        _connections[connection.file] -= 1
        if not _connections[connection.file]:
            del _connections[connection.file]
            for file in _unclosed.pop(connection.file, ()):
                file.close()


def is_open(path: Path) -> bool:
    """True if this process has a connection to the file."""
    return file_id(path) in _connections


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file, opened for reading; no connection is opened or closed meanwhile."""
    with _lock:
        file = path.open("rb")
        status = os.fstat(file.fileno())
        id = status.st_dev, status.st_ino
        try:
            yield file
        finally:
            if id in _connections:
                _unclosed[id].append(file)
            else:
                file.close()


def file_id(path: Path) -> FileId | None:
    """Device and inode, which a file keeps when it is renamed; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
