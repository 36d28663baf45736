"""Paths in the repository that tests read, and a directory for short-lived servers."""

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
SAMPLES = REPOSITORY / "samples"
EVENTS = REPOSITORY / "events"
STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, in which names are random
SERVER_BYTES = 4 * 2**30


def server_parent() -> Path | None:
    """The directory for files of OpenSearch servers: in memory, if that has room, or the default.

    A server calls fsync for each write and each change of an index. On a disk the tests of an
    index wait for that most of the time. A server loads native code from its own directory.
    """
    if not os.access(SHARED_MEMORY, os.W_OK) or os.statvfs(SHARED_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return SHARED_MEMORY if shutil.disk_usage(SHARED_MEMORY).free > SERVER_BYTES else None
