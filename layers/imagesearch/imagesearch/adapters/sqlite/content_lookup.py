"""Lookup of records by the SHA-256 of their files in an SQLite index, also of another folder."""

import json
import sqlite3
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from imagesearch.adapters.sqlite.checksums import (
    ENTRY,
    VECTOR,
    Entry,
    StoredVector,
    add_text_replacement,
)
from imagesearch.adapters.sqlite.database import read_only_address
from imagesearch.adapters.sqlite.open_files import FileConnection, closed, opened
from imagesearch.adapters.sqlite.schema import (
    ADDED_COLUMNS,
    APPLICATION_ID,
    DECODER,
    SCHEMA_VERSION,
    SEARCHABLE,
    SHA256,
    columns_of,
)
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Scanned

# For each hash the last entry of its range in `entries_by_content`, however many copies it has.
_NEWEST = (
    f"SELECT max(seq) FROM entries"  # noqa: S608 - values are bound
    f" WHERE {SHA256} = wanted.value AND {DECODER} = ?2 AND {SEARCHABLE}"
)
BY_CONTENT = (
    f"SELECT {ENTRY}, {VECTOR} FROM entries"  # noqa: S608 - the same
    f" WHERE seq IN (SELECT ({_NEWEST}) FROM json_each(?1) AS wanted)"
)


def images_of(
    connection: sqlite3.Connection,
    statement: str,
    hashes: Sequence[str],
    decoder: str,
    dimension: int,
) -> dict[str, Scanned]:
    """The intact images of these hashes; `statement` is `BY_CONTENT` for the index's table."""
    wanted = json.dumps(list(dict.fromkeys(hashes)))
    found: dict[str, Scanned] = {}
    for row in connection.execute(statement, (wanted, decoder)):
        entry, vector = Entry(*row[: len(Entry._fields)]), StoredVector(*row[-2:])
        if entry.is_intact and vector.is_intact(entry.id, dimension):
            document = entry.document()
            if document and document.sha256 is not None:
                found[document.sha256] = Scanned(document, vector.embedding())
    return found


class SqliteContentLookup:
    """Implements ContentLookup over the index file of another folder, read-only and thread-safe.

    Returns nothing for a missing file, for one without an index of this name and dimension, and for
    one of a release without this lookup.
    """

    def __init__(self, path: Path, name: str, dimension: int) -> None:
        self._path = path
        self._space = (name, dimension)
        quoted = name.replace('"', '""')
        self._name = name
        self._statement = BY_CONTENT.replace("entries", f'"{quoted}"')
        self._by_content = f"{name}_by_content"
        self._lock = threading.Lock()
        self._connection: FileConnection | None = None

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                if self._connection is None:
                    return {}
                return images_of(self._connection, self._statement, hashes, decoder, self._space[1])
            except sqlite3.Error as error:
                self._close()
                raise Unavailable(f"cannot read {self._path}: {error}") from error

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def _opened(self) -> FileConnection | None:
        if not self._path.is_file():
            return None
        connection = opened(self._path, self._connect)
        try:
            add_text_replacement(connection)
            if self._is_usable(connection):
                self._statement = of_release(self._statement, columns_of(connection, self._name))
                self._disconnect = weakref.finalize(self, closed, connection)
                return connection
        except sqlite3.Error:
            closed(connection)
            raise
        closed(connection)
        return None

    def _connect(self) -> FileConnection:
        return sqlite3.connect(
            read_only_address(self._path),
            factory=FileConnection,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )

    def _is_usable(self, connection: sqlite3.Connection) -> bool:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION_ID or version > SCHEMA_VERSION:
            return False
        spaces = "SELECT 1 FROM spaces WHERE name = ? AND dimension = ?"
        indexes = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?"
        return bool(
            connection.execute(spaces, self._space).fetchone()
            and connection.execute(indexes, (self._by_content,)).fetchone()
        )

    def _close(self) -> None:
        if self._connection:
            self._disconnect()
            self._connection = None


def of_release(statement: str, columns: set[str]) -> str:
    """The statement for a file whose release had no checksums."""
    for column in ADDED_COLUMNS:
        if column not in columns:
            statement = statement.replace(column, "NULL")
    return statement
