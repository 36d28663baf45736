"""Address of the server of a workspace, so that commands can use its loaded model.

A server holds a lock on `server.json` as long as it runs. The operating system releases the lock
when the process ends, however it ends, so an address that is not locked is outdated.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imagesearch.json_objects import json_object
from local.file_lock import lock

FILE = "server.json"


@contextmanager
def announced(workspace: Path, url: str) -> Iterator[None]:
    """Announce a server at `url` until the end of the block.

    A second server of the workspace, or one that cannot write the file, is not announced.
    """
    file = None
    with suppress(OSError):
        file = _locked(workspace)
        os.write(file, json.dumps({"url": url}).encode())
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


def _locked(workspace: Path) -> int:
    """The descriptor of the locked, empty file. Raises OSError."""
    file = os.open(workspace / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(file)
        os.truncate(file, 0)
    except OSError:
        os.close(file)
        raise
    return file


def running_server(workspace: Path) -> str | None:
    """The address of the workspace's server; None if none runs."""
    try:
        with (workspace / FILE).open("rb") as file:
            with suppress(BlockingIOError):
                lock(file.fileno(), shared=True)
                return None
            return str(json_object(file.read())["url"])
    except (OSError, ValueError, KeyError):
        return None
