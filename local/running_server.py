"""Address of the server of a workspace, so that commands can use its loaded model.

A server holds a lock on `server.json` as long as it runs. The operating system releases the lock
when the process ends, however it ends, so an address that is not locked is outdated.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "server.json"


@contextmanager
def announced(workspace: Path, url: str) -> Iterator[None]:
    """Announce a server at `url` until the end of the block.

    A second server of the workspace, or one that cannot write the file, is not announced.
    """
    lock = None
    with suppress(OSError):
        lock = _locked(workspace)
        os.pwrite(lock, json.dumps({"url": url}).encode(), 0)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _locked(workspace: Path) -> int:
    """The descriptor of the locked, empty file. Raises OSError."""
    lock = os.open(workspace / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(lock, 0)
    except OSError:
        os.close(lock)
        raise
    return lock


def running_server(workspace: Path) -> str | None:
    """The address of the workspace's server; None if none runs."""
    try:
        with (workspace / FILE).open(encoding="utf-8") as file:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            return str(json.load(file)["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
