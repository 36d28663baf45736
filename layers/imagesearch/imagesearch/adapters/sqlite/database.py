"""The SQLite file of an index: schema, connections, transactions and mapping of errors."""

import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from imagesearch.adapters.sqlite.filters import TAKEN_AT_MS, add_functions
from imagesearch.domain.errors import ConfigurationError, Unavailable

PATIENCE_SECONDS = 15.0
# "imgs" identifies files of imagesearch (https://sqlite.org/pragma.html#pragma_application_id)
APPLICATION_ID = 0x696D6773
SCHEMA_VERSION = 1
# Three rows of 512 floats fit a page of 8 KiB, one fits a page of the usual 4.
PAGE_BYTES = 8192

# Literally the same in the partial index and in queries, or SQLite does not use the index:
# https://sqlite.org/partialindex.html
HAS_NEIGHBORS = "json_array_length(record, '$.neighbours') > 0"

SHA256 = "json_extract(record, '$.sha256')"
DECODER = "json_extract(record, '$.decoder')"
SEARCHABLE = "status = 'indexed' AND vector NOT NULL"

# A row's `seq` is its version and grows with every write, so `seq > last` selects changes. A
# deleted image keeps its row: readers see the deletion, and a late write finds another version.
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
CREATE INDEX IF NOT EXISTS entries_linked ON entries (key, id) WHERE {HAS_NEIGHBORS};
CREATE INDEX IF NOT EXISTS entries_by_time ON entries ({TAKEN_AT_MS}, key, status);
CREATE INDEX IF NOT EXISTS entries_by_content ON entries ({SHA256}, {DECODER}) WHERE {SEARCHABLE};
"""


class SqliteDatabase:
    """One table in one file, for many threads and processes.

    Statements name the table `entries`; in the file it has the name of the index. A writer waits up
    to `patience` seconds for another one. Raises ConfigurationError for a file that cannot be used,
    Unavailable where it temporarily cannot.
    """

    def __init__(self, path: Path, name: str, dimension: int, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._space = name
        self._name = name.replace('"', '""')
        # Connections that no thread uses, at most as many as threads ever read at once.
        self._readers: list[sqlite3.Connection] = []
        self._writer_lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._readers.append(self._connect())
            if is_read_only(path):
                self._check_owner()
            else:
                self._prepare(name, dimension)
            self._check_dimension(dimension)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: all reads see one snapshot. Threads do not wait for each other."""
        with self._errors():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                with _transaction(connection, "BEGIN"):
                    yield connection
            finally:
                self._readers.append(connection)

    @contextmanager
    def reading_long(self) -> Iterator[sqlite3.Connection]:
        """A read transaction on a connection of its own, which blocks no other reader."""
        with (
            self._errors(),
            closing(self._connect()) as connection,
            _transaction(connection, "BEGIN"),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all or nothing."""
        with self._writer_lock, self._errors(), _transaction(self._writer, "BEGIN IMMEDIATE"):
            yield self._writer

    def sql(self, statement: str) -> str:
        """The statement for this index's table and its indexes, `entries_by_x`."""
        return re.sub(r"\bentries(\w*)", lambda found: f'"{self._name}{found[1]}"', statement)

    def drop(self) -> None:
        """Drop the table; SQLite reuses its pages in the file."""
        with self.writing() as connection:
            connection.execute(self.sql("DROP TABLE IF EXISTS entries"))
            connection.execute("DELETE FROM spaces WHERE name = ?", (self._space,))

    def close(self) -> None:
        for connection in (self._writer, *self._readers):
            connection.close()

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
        """Raises ConfigurationError for a file of another program or of a newer release."""
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        owner = self._writer.execute("PRAGMA application_id").fetchone()[0]
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise self._unusable("is another program's database")
        if version > SCHEMA_VERSION:
            raise self._unusable("was written by a newer release")

    def _use_write_ahead_log(self) -> None:
        """Readers never wait with WAL; the switch itself needs retries, as SQLite does not wait."""
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
                    "make the file and its folder writable, or copy the folder to a writable place",
                ) from error
            raise Unavailable(
                f"the index file {self._path} is unavailable: {error}",
                "check free disk space, the folder's permissions and other writers of the file",
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._unusable(f"is not a valid database: {error}") from error
        except OSError as error:
            raise self._unusable(f"cannot be created: {error}") from error

    def _unusable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"the index file {self._path} {reason}",
            "name another path in INDEX_URL, or delete the file and index the images again",
        )


def index_dimensions(path: Path) -> dict[str, int]:
    """The dimension of each index in the file, by name; empty if the file does not exist."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(address(path), uri=True)) as file:
            return dict(file.execute("SELECT name, dimension FROM spaces").fetchall())
    except sqlite3.Error as error:
        raise Unavailable(
            f"cannot list the indexes in {path}: {error}", "check the file and its permissions"
        ) from error


def is_read_only(path: Path) -> bool:
    """True for a file that cannot be written, or whose folder cannot: SQLite writes next to it."""
    return path.is_file() and not (_is_writable(path) and _is_writable(path.parent))


def address(path: Path) -> str:
    """The file as a URI (https://sqlite.org/uri.html), read-only where it cannot be written."""
    uri = path.absolute().as_uri()
    if not is_read_only(path):
        return uri
    # A reader needs a lock file next to it, which cannot be created here. Without a write-ahead log
    # there is no writer, and no lock is needed.
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


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
