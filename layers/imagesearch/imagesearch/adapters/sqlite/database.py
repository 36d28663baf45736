"""The SQLite file of an index: connections, transactions, upgrades and mapping of errors."""

import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from imagesearch.adapters.sqlite.checksums import (
    ENTRY,
    VECTOR,
    Entry,
    StoredVector,
    add_text_replacement,
    adopted_crcs,
    damage,
)
from imagesearch.adapters.sqlite.filters import placeholders
from imagesearch.adapters.sqlite.header import PAGE_BYTES, has_id, has_log, is_valid_header
from imagesearch.adapters.sqlite.open_files import FileConnection, closed, file_id, is_open, opened
from imagesearch.adapters.sqlite.schema import (
    ADDED_COLUMNS,
    APPLICATION_ID,
    INDEXES,
    OBSOLETE_INDEXES,
    PROPERTIES,
    SCHEMA,
    SCHEMA_VERSION,
    VERSION,
    columns_of,
    recorded_version,
)
from imagesearch.domain.errors import ConfigurationError, DamagedIndex, Unavailable

PATIENCE_SECONDS = 15.0
MIN_PAGE_BYTES = 512
ADOPTED_ROWS = 1_000
# SQLite builds may allow no more than 999 parameters: https://sqlite.org/limits.html
MAX_PARAMETERS = 500


class DamagedFile(DamagedIndex):
    """The index file is damaged beyond single rows, or is not a database."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the index file {path} is damaged: {reason}",
            "run `imagesearch verify FOLDER --repair`, which renames the file and indexes again"
            " what cannot be read from it",
        )


class SqliteDatabase:
    """One table in one file, for many threads and processes.

    Statements name the table `entries`; in the file it has the name of the index. A writer waits up
    to `patience` seconds for another one. A file that is replaced by another is opened again.
    Raises ConfigurationError for a file that cannot be used, DamagedFile, and Unavailable where it
    temporarily cannot.
    """

    def __init__(self, path: Path, name: str, dimension: int, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._dimension = dimension
        self._space = name
        self._name = name.replace('"', '""')
        # Connections that no thread uses, at most as many as threads ever read at once.
        self._readers: list[_Reopened] = []
        self._writer_lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and 0 < path.stat().st_size < MIN_PAGE_BYTES:
                # SQLite would write to it as to an empty file.
                raise DamagedFile(path, "it is truncated")
            _check_header(path)
            self._writer = _Reopened(path, self._connect)
            self._readers.append(_Reopened(path, self._connect))
            if is_read_only(path):
                self._check_owner()
            else:
                self._prepare(name, dimension)
            self._check_dimension(dimension)

    @contextmanager
    def reading(self) -> Iterator[FileConnection]:
        """A read transaction: all reads see one snapshot. Threads do not wait for each other."""
        with self._errors():
            try:
                reader = self._readers.pop()
            except IndexError:
                reader = _Reopened(self._path, self._connect)
            try:
                connection = reader.current()
                with _transaction(connection, "BEGIN"):
                    yield connection
            finally:
                self._readers.append(reader)

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
        with self._writer_lock, self._errors():
            while True:
                connection = self._writer.current()
                with _transaction(connection, "BEGIN IMMEDIATE"):
                    # A recovery may have replaced the file while this waited for its lock.
                    if self._writer.is_current:
                        yield connection
                        return

    def rows(self, connection: sqlite3.Connection) -> Iterator[tuple[Entry, StoredVector]]:
        """Every row, intact or not, without use of the database's indexes."""
        statement = f"SELECT {ENTRY}, {VECTOR} FROM entries NOT INDEXED ORDER BY seq"  # noqa: S608
        columns = len(Entry._fields)
        for row in connection.execute(self.sql(statement)):
            yield Entry(*row[:columns]), StoredVector(*row[columns:])

    def rows_of_values(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement that ends with `IN (?)`, for any number of values."""
        for start in range(0, len(values), MAX_PARAMETERS):
            chunk = values[start : start + MAX_PARAMETERS]
            expanded = self.sql(statement).replace("(?)", f"({placeholders(chunk)})")
            with self.reading() as connection:
                rows = connection.execute(expanded, chunk).fetchall()
            yield from rows

    def mend(self) -> int:
        """Delete damaged rows, whose images are then missing, and build all indexes again.

        Returns the number of deleted rows. A row is deleted without its indexes: SQLite would
        compute its entries from the damaged values. Raises DamagedFile for damage of other kinds.
        """
        with self.writing() as connection:
            for name in INDEXES:
                connection.execute(self.sql(f"DROP INDEX IF EXISTS {name}"))
            connection.execute(self.sql("REINDEX entries"))
            damaged = [
                (entry.seq,)
                for entry, vector in self.rows(connection)
                if damage(entry, vector, self._dimension)
            ]
            connection.executemany(self.sql("DELETE FROM entries WHERE seq = ?"), damaged)
            self._create_indexes(connection)
        return len(damaged)

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

    def _connect(self) -> FileConnection:
        connection = sqlite3.connect(
            address(self._path),
            factory=FileConnection,
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        add_text_replacement(connection)
        return connection

    def _prepare(self, name: str, dimension: int) -> None:
        self._check_owner()
        writer = self._writer.current()
        writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._use_write_ahead_log(writer)
        with self.writing() as connection:
            self._check_owner()
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in SCHEMA.strip().split(";\n"):
                connection.execute(self.sql(statement))
            present = columns_of(connection, self._space)
            for column in ADDED_COLUMNS:
                if column not in present:
                    connection.execute(self.sql(f"ALTER TABLE entries ADD COLUMN {column} INTEGER"))
            for index in OBSOLETE_INDEXES:
                connection.execute(self.sql(f"DROP INDEX IF EXISTS {index}"))
            self._create_indexes(connection)
            connection.execute("INSERT OR IGNORE INTO spaces VALUES (?, ?)", (name, dimension))
            connection.execute(PROPERTIES)
            version = (VERSION, SCHEMA_VERSION)
            connection.execute("INSERT OR REPLACE INTO properties VALUES (?, ?)", version)
        while self._add_checksums():
            pass

    def _create_indexes(self, connection: sqlite3.Connection) -> None:
        for index, definition in INDEXES.items():
            connection.execute(
                self.sql(f"CREATE INDEX IF NOT EXISTS {index} ON entries {definition}")
            )

    def _add_checksums(self) -> bool:
        """Record the checksums of some rows of a release without them; False if all have one."""
        select = self.sql(
            f"SELECT {ENTRY}, {VECTOR} FROM entries WHERE record_crc IS NULL LIMIT {ADOPTED_ROWS}"  # noqa: S608
        )
        update = self.sql("UPDATE entries SET record_crc = ?, vector_crc = ? WHERE seq = ?")
        columns = len(Entry._fields)
        with self.writing() as connection:
            rows = connection.execute(select).fetchall()
            found = [(Entry(*row[:columns]), StoredVector(*row[columns:])) for row in rows]
            crcs = [(*adopted_crcs(*each, self._dimension), each[0].seq) for each in found]
            connection.executemany(update, crcs)
        return bool(rows)

    def _check_dimension(self, dimension: int) -> None:
        known = (
            self._writer.current()
            .execute("SELECT dimension FROM spaces WHERE name = ?", (self._space,))
            .fetchone()
        )
        if not known:
            raise self._unusable("is read-only and has no index for this model")
        if known[0] != dimension:
            raise self._unusable(f"holds vectors of {known[0]} dimensions, the model {dimension}")

    def _check_owner(self) -> None:
        """Raises ConfigurationError for a file of another program or of a newer release."""
        connection = self._writer.current()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            if columns_of(connection, "spaces") == {"name", "dimension"}:
                raise DamagedFile(self._path, "its header is not that of an index")
            raise self._unusable("is another program's database")
        if version > SCHEMA_VERSION and recorded_version(connection, version) > SCHEMA_VERSION:
            raise self._unusable("was written by a newer release")

    def _use_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Readers never wait with WAL; the switch itself needs retries, as SQLite does not wait."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
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
            if "malformed" in str(error):
                raise DamagedFile(self._path, str(error)) from error
            if is_read_only(self._path):
                raise Unavailable(
                    f"the index file {self._path} is read-only here: {error}",
                    "make the file and its folder writable, or copy the folder to a writable place",
                ) from error
            raise Unavailable(
                f"the index file {self._path} is unavailable: {error}",
                "check free disk space, the folder's permissions and other writers of the file",
            ) from error
        except sqlite3.ProgrammingError as error:  # such as a closed connection
            raise Unavailable(f"the index file {self._path} is unavailable: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DamagedFile(self._path, str(error)) from error
        except OSError as error:
            raise self._unusable(f"cannot be created: {error}") from error

    def _unusable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"the index file {self._path} {reason}",
            "name another path in INDEX_URL, or delete the file and index the images again",
        )


class _Reopened:
    """A connection to the file that the path names now: a file that was set aside is closed."""

    def __init__(self, path: Path, connect: Callable[[], FileConnection]) -> None:
        self._path = path
        self._connect = connect
        self._open()

    def current(self) -> FileConnection:
        if not self.is_current:
            self.close()
            self._open()
        return self._connection

    @property
    def is_current(self) -> bool:
        """False if the path names another file now."""
        return file_id(self._path) in (None, self._connection.file)

    def close(self) -> None:
        self._close()

    def _open(self) -> None:
        self._connection = opened(self._path, self._connect)
        self._close = weakref.finalize(self, closed, self._connection)


def _check_header(path: Path) -> None:
    """Raises DamagedFile for a header with which SQLite would lose rows."""
    # The header of an open file may be older than its log.
    if not path.is_file() or is_open(path):
        return
    if has_id(path, APPLICATION_ID) and not is_valid_header(path):
        raise DamagedFile(path, "its header is not that of an index")


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
    return f"{uri}?mode=ro" if has_log(path, "-wal") else f"{uri}?mode=ro&immutable=1"


def read_only_address(path: Path) -> str:
    """The file as a URI, opened for reading even where it could be written."""
    return address(path) if is_read_only(path) else f"{path.absolute().as_uri()}?mode=ro"


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
