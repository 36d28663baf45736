"""Recovery of a damaged index file: its intact rows are copied to a new one, and it is renamed."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

from imagesearch.adapters.sqlite.checksums import (
    ENTRY,
    VECTOR,
    Entry,
    StoredVector,
    add_text_replacement,
    adopted_crcs,
    damage,
)
from imagesearch.adapters.sqlite.content_lookup import of_release
from imagesearch.adapters.sqlite.database import (
    PATIENCE_SECONDS,
    SqliteDatabase,
    address,
    read_only_address,
)
from imagesearch.adapters.sqlite.header import is_valid_header, write_valid_header
from imagesearch.adapters.sqlite.open_files import FileConnection, closed, file_id, opened
from imagesearch.adapters.sqlite.schema import columns_of
from imagesearch.domain.errors import Unavailable

WRITTEN_ROWS = 1_000
# The write-ahead log belongs to its file, and must not be applied to another one.
COMPANIONS = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Recovery:
    """The present path of the damaged file, and the number of images that were read from it."""

    set_aside: Path
    images: int


def recover(path: Path, name: str, dimension: int) -> Recovery:
    """Replace a damaged file by a new one with its intact rows; the damaged one is renamed.

    Other writers wait meanwhile and then write to the new file, unless the header is damaged, too:
    such a file cannot be locked. Nothing is changed if the new file cannot be written. Rows of the
    index `name` may be read even if the list of indexes is damaged. Raises Unavailable.
    """
    new = path.with_name(f"{path.name}.recovering")
    mended = path.with_name(f"{path.name}.mended")
    _delete(new)
    _delete(mended)
    try:
        is_valid = is_valid_header(path)
        with _locked(path) if is_valid else nullcontext():
            if not is_valid:
                write_valid_header(path, mended)
            images = _copy(path if is_valid else mended, new, {name: dimension})
            set_aside = _set_aside(path)
            new.rename(path)
    except OSError as error:
        raise Unavailable(
            f"cannot recover the index file {path}: {error.strerror}",
            "check free disk space and the folder's permissions",
        ) from error
    finally:
        _delete(new)
        _delete(mended)
    return Recovery(set_aside, images)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a file, as far as its damage permits. Raises Unavailable."""
    try:
        connection = opened(path, partial(_connect, path))
    except sqlite3.Error:
        yield
        return
    try:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise Unavailable(
                    f"another process writes to the index file {path}", "try again"
                ) from error
        if connection.file != file_id(path):
            raise Unavailable(f"another process replaced the index file {path}", "try again")
        yield
    finally:
        # SQLite leaves a file that was renamed as it is: no checkpoint, its log is not deleted.
        closed(connection)


def _connect(path: Path) -> FileConnection:
    return sqlite3.connect(
        address(path),
        factory=FileConnection,
        uri=True,
        timeout=PATIENCE_SECONDS,
        isolation_level=None,
    )


def _copy(path: Path, new: Path, spaces: dict[str, int]) -> int:
    """Copy the intact rows of each index, and return the number of images."""
    images = 0
    with closing(sqlite3.connect(read_only_address(path), uri=True)) as damaged:
        add_text_replacement(damaged)
        with suppress(sqlite3.Error):
            # Reads what there is of a truncated file or of a damaged schema.
            damaged.execute("PRAGMA writable_schema = ON")
            found = damaged.execute("SELECT name, dimension FROM spaces").fetchall()
            spaces = dict(found) | spaces
        for name, dimension in spaces.items():
            if not isinstance(name, str) or not isinstance(dimension, int):
                continue
            database = SqliteDatabase(new, name, dimension, PATIENCE_SECONDS)
            try:
                images += _copy_rows(damaged, database, name, dimension)
            finally:
                database.close()
    return images


def _copy_rows(
    damaged: sqlite3.Connection, database: SqliteDatabase, name: str, dimension: int
) -> int:
    insert = database.sql(
        f"INSERT OR REPLACE INTO entries ({ENTRY}, {VECTOR})"  # noqa: S608 - constants
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    rows = (row for row in _readable_rows(damaged, database, name) if not damage(*row, dimension))
    images = 0
    while True:
        with database.writing() as connection:
            for number, (entry, vector) in enumerate(rows, start=1):
                record_crc, vector_crc = adopted_crcs(entry, vector, dimension)
                connection.execute(insert, (*entry[:-1], record_crc, vector.data, vector_crc))
                images += entry.key is not None
                if number == WRITTEN_ROWS:
                    break
            else:
                return images


def _readable_rows(
    damaged: sqlite3.Connection, database: SqliteDatabase, name: str
) -> Iterator[tuple[Entry, StoredVector]]:
    """The rows in the order of their seq; after a damaged page, those that an index names."""
    try:
        columns = columns_of(damaged, name)
        select = of_release(f"SELECT {ENTRY}, {VECTOR} FROM entries NOT INDEXED", columns)  # noqa: S608
    except sqlite3.Error:
        return
    last = 0
    try:
        for row in damaged.execute(database.sql(f"{select} WHERE seq > 0 ORDER BY seq")):
            yield _entry(row)
            last = row[0]
        return
    except sqlite3.Error:
        pass
    for seq in _seqs_after(last, damaged, database):
        with suppress(sqlite3.Error):
            yield from map(_entry, damaged.execute(database.sql(f"{select} WHERE seq = ?"), (seq,)))


def _seqs_after(last: int, damaged: sqlite3.Connection, database: SqliteDatabase) -> Iterator[int]:
    """The seqs that are in any index of the table."""
    found: set[int] = set()
    for index in ("entries_by_status", "entries_by_key"):
        statement = f"SELECT seq FROM entries INDEXED BY {index} WHERE status > '' AND seq > ?"  # noqa: S608
        with suppress(sqlite3.Error):
            found.update(seq for (seq,) in damaged.execute(database.sql(statement), (last,)))
    return iter(sorted(found))


def _entry(row: Sequence[object]) -> tuple[Entry, StoredVector]:
    return Entry(*row[: len(Entry._fields)]), StoredVector(*row[-2:])  # type: ignore[arg-type]


def _set_aside(path: Path) -> Path:
    """Rename a file with its write-ahead log, first the log: no other file may find it."""
    stamp = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = (f"{stamp}-{number}" if number else stamp for number in count())
    target = next(each for each in map(path.with_name, names) if not each.exists())
    for suffix in (*COMPANIONS, ""):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))
    return target


def _delete(path: Path) -> None:
    for suffix in ("", *COMPANIONS):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
