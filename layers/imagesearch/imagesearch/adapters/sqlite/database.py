"""The embedded index's SQLite file: opening it, reading, writing in one transaction, its errors.

How an embedded index's file is opened: to be written, or to be read where it cannot be.

Which indexes an SQLite file holds.
"""

import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from imagesearch.adapters.sqlite.filters import TAKEN, add_functions
from imagesearch.domain.errors import ConfigurationError, Unavailable


def is_read_only(path: Path) -> bool:
    """Whether the file is there and nothing can be written: SQLite writes beside it, too."""
    return path.is_file() and not (_is_writable(path) and _is_writable(path.parent))


def address(path: Path) -> str:
    """The file as a URI (https://sqlite.org/uri.html), opened for no more than can be done."""
    uri = path.absolute().as_uri()
    if not is_read_only(path):
        return uri
    # Reading, too, takes a lock in a file beside it, which cannot be made here; where no log of
    # writes lies there, nobody was writing when this began.
    return f"{uri}?mode=ro" if _has_log(path) else f"{uri}?mode=ro&immutable=1"


def read_only_address(path: Path) -> str:
    """The file as a URI, opened for reading even where it could be written."""
    return address(path) if is_read_only(path) else f"{path.absolute().as_uri()}?mode=ro"


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


PATIENCE_SECONDS = 15.0
# "imgs": tells our files from other programs' (https://sqlite.org/pragma.html#pragma_application_id)
APPLICATION_ID = 0x696D6773
SCHEMA_VERSION = 1
# Three rows of 512 floats fit a page of 8 KiB, one fits a page of the usual 4.
PAGE_BYTES = 8192

# Word for word in the index and in what is asked, or SQLite does not use the one for the other:
# https://sqlite.org/partialindex.html
HAS_NEIGHBOURS = "json_array_length(record, '$.neighbours') > 0"

SHA256 = "json_extract(record, '$.sha256')"
DECODER = "json_extract(record, '$.decoder')"
SEARCHABLE = "status = 'indexed' AND vector NOT NULL"

# A row's `seq` is its version and grows with every write, so `seq > last seen` is what is new.
# A deleted image keeps its row: readers learn of it, and a late write meets another version.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS spaces (name TEXT PRIMARY KEY, dimension INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    key TEXT,
    collection TEXT,
    record TEXT,
    vector BLOB
);
CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key, id, status, collection);
CREATE INDEX IF NOT EXISTS entries_by_status ON entries (status);
CREATE INDEX IF NOT EXISTS entries_linked ON entries (key, id) WHERE {HAS_NEIGHBOURS};
CREATE INDEX IF NOT EXISTS entries_by_time ON entries ({TAKEN}, key, status);
CREATE INDEX IF NOT EXISTS entries_by_content ON entries ({SHA256}, {DECODER}) WHERE {SEARCHABLE};
"""


class SqliteDatabase:
    """One table in one file, for many threads and processes.

    Statements speak of the table `entries`; the table's name in the file is the index's name.
    A writer waits up to `patience` seconds for another one.
    Raises ConfigurationError for a file that cannot be used, Unavailable when it cannot be now.
    """

    def __init__(self, path: Path, name: str, dimension: int, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._space = name
        self._name = name.replace('"', '""')
        self._reader_lock = threading.Lock()
        self._writer_lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._reader = self._connect()
            if is_read_only(path):
                self._check_owner()
            else:
                self._prepare(name, dimension)
            self._check_dimension(dimension)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """What is read within is as it was at one moment."""
        with self._reader_lock, self._errors(), _transaction(self._reader, "BEGIN"):
            yield self._reader

    @contextmanager
    def reading_long(self) -> Iterator[sqlite3.Connection]:
        """The same, on a connection of its own: nobody else waits."""
        with (
            self._errors(),
            closing(self._connect()) as connection,
            _transaction(connection, "BEGIN"),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is written, or nothing."""
        with self._writer_lock, self._errors(), _transaction(self._writer, "BEGIN IMMEDIATE"):
            yield self._writer

    def sql(self, statement: str) -> str:
        """The statement for this index's table; `entries_by_x` are the indexes on it."""
        return re.sub(r"\bentries(\w*)", lambda found: f'"{self._name}{found[1]}"', statement)

    def drop(self) -> None:
        """The table goes; its pages stay in the file, for what is written next."""
        with self.writing() as connection:
            connection.execute(self.sql("DROP TABLE IF EXISTS entries"))
            connection.execute("DELETE FROM spaces WHERE name = ?", (self._space,))

    def close(self) -> None:
        self._writer.close()
        self._reader.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            address(self._path),
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        weakref.finalize(self, connection.close)
        add_functions(connection)
        return connection

    def _prepare(self, name: str, dimension: int) -> None:
        self._check_owner()
        self._writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._use_write_ahead_log()
        self._writer.execute("PRAGMA synchronous = NORMAL")
        with self.writing() as connection:
            self._check_owner()
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in SCHEMA.strip().split(";\n"):
                connection.execute(self.sql(statement))
            connection.execute("INSERT OR IGNORE INTO spaces VALUES (?, ?)", (name, dimension))

    def _check_dimension(self, dimension: int) -> None:
        known = self._writer.execute(
            "SELECT dimension FROM spaces WHERE name = ?", (self._space,)
        ).fetchone()
        if not known:
            raise self._unusable("is read-only and has no index for this model")
        if known[0] != dimension:
            raise self._unusable(f"holds vectors of {known[0]} dimensions, the model {dimension}")

    def _check_owner(self) -> None:
        """Leave a file of another program, or of a newer release, exactly as it is."""
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        owner = self._writer.execute("PRAGMA application_id").fetchone()[0]
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise self._unusable("is another program's database")
        if version > SCHEMA_VERSION:
            raise self._unusable("was written by a newer release")

    def _use_write_ahead_log(self) -> None:
        """Readers then never wait; SQLite does not wait itself where two switch to it at once."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if is_read_only(self._path):
                raise Unavailable(
                    f"the index file {self._path} is read-only here: {error}",
                    "let it and its folder be written, or copy the folder to where that is so",
                ) from error
            raise Unavailable(
                f"the index file {self._path} cannot be used now: {error}",
                "check free disk space, the folder's permissions, and who else writes to it",
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._unusable(f"is no sound database: {error}") from error
        except OSError as error:
            raise self._unusable(f"cannot be made: {error}") from error

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"the index file {self._path} {why}",
            "name another path in INDEX_URL, or delete the file and index the images again",
        )


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def index_dimensions(path: Path) -> dict[str, int]:
    """The dimension of each index in the file, by name; there is none where there is no file."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(address(path), uri=True)) as file:
            return dict(file.execute("SELECT name, dimension FROM spaces").fetchall())
    except sqlite3.Error as error:
        raise Unavailable(
            f"cannot list the indexes in {path}: {error}", "check the file and its permissions"
        ) from error
