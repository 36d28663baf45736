"""The header of an SQLite file: https://sqlite.org/fileformat.html#the_database_header

SQLite does not check all of its fields: with a wrong number of pages, for example, it loses rows.

Files are read by `open_files.reading`, for this process may have them open by SQLite.
"""

import shutil
from pathlib import Path

from imagesearch.adapters.sqlite.open_files import reading

# Three rows of 512 floats fit a page of 8 KiB, one fits a page of the usual 4.
PAGE_BYTES = 8192
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"
_PAGE_SIZES = {1, *(2**power for power in range(9, 16))}
# Fields that are equal in all index files, by offset: fractions of payload, schema format, UTF-8.
_CONSTANT = {0: MAGIC, 20: b"\0\x40\x20\x20", 44: b"\0\0\0\4", 56: b"\0\0\0\1"}
# The number of pages, which is then that of the file, the free pages, and the modes of vacuuming.
_ZEROED = {28: 12, 52: 4, 64: 4}
_VACUUM = (52, 64)
# Files that hold the header instead, during a write or after a crash.
_LOGS = ("-wal", "-journal")


def has_id(path: Path, application_id: int) -> bool:
    """True if the file names this program, in a header that may be damaged otherwise."""
    with reading(path) as file:
        return _number(file.read(HEADER_BYTES), 68, 4) == application_id


def is_valid_header(path: Path) -> bool:
    """False if the header of a file with pages is not that of an index."""
    head, length = _stable_header(path)
    if not head:
        return True
    if len(head) < HEADER_BYTES or head[18] not in (1, 2) or head[19] not in (1, 2):
        return False
    size = _number(head, 16, 2)
    equal = all(head[at : at + len(field)] == field for at, field in _CONSTANT.items())
    if not equal or size not in _PAGE_SIZES or any(_number(head, at, 4) for at in _VACUUM):
        return False
    if length is None:
        return True
    pages = length // (65_536 if size == 1 else size)
    return _number(head, 28, 4) in (0, pages) or head[24:28] != head[92:96]


def _stable_header(path: Path) -> tuple[bytes, int | None]:
    """The header, and the length of the file that it belongs to; None with a log.

    Other processes may write the file, and remove the log, while it is read.
    """
    while True:
        before = _state(path)
        with reading(path) as file:
            head = file.read(HEADER_BYTES)
        if (after := _state(path)) == before:
            return head, after[0] if after else None


def _state(path: Path) -> tuple[int, int] | None:
    """The length of a file and the time of its last change; None if there is a log."""
    if any(has_log(path, suffix) for suffix in _LOGS):
        return None
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def has_log(path: Path, suffix: str) -> bool:
    """True if the log of a file with this suffix has content."""
    try:
        return path.with_name(path.name + suffix).stat().st_size > 0
    except FileNotFoundError:
        return False


def write_valid_header(path: Path, copy: Path) -> None:
    """Copy a file and its write-ahead log, with a header by which its pages can be read."""
    for suffix in ("", "-wal"):
        if (part := path.with_name(path.name + suffix)).is_file():
            with reading(part) as file, copy.with_name(copy.name + suffix).open("wb") as target:
                shutil.copyfileobj(file, target)
    with copy.open("r+b") as file:
        head = bytearray(file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0"))
        if _number(head, 16, 2) not in _PAGE_SIZES:
            head[16:18] = PAGE_BYTES.to_bytes(2, "big")
        head[18:20] = b"\2\2"
        for at, field in _CONSTANT.items():
            head[at : at + len(field)] = field
        for at, length in _ZEROED.items():
            head[at : at + length] = bytes(length)
        file.seek(0)
        file.write(head)


def _number(head: bytes | bytearray, at: int, length: int) -> int:
    return int.from_bytes(head[at : at + length], "big")
