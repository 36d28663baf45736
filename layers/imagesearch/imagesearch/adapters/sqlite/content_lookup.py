"""Lookup of records by the SHA-256 of their files in an SQLite index, also of another folder."""

import json
import sqlite3
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from imagesearch.adapters.index_records import to_document
from imagesearch.adapters.sqlite.database import (
    APPLICATION_ID,
    DECODER,
    SCHEMA_VERSION,
    SEARCHABLE,
    SHA256,
    read_only_address,
)
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Scanned

# For each hash the last entry of its range in `entries_by_content`, however many copies it has.
_NEWEST = (
    f"SELECT max(seq) FROM entries"  # noqa: S608 - values are bound
    f" WHERE {SHA256} = wanted.value AND {DECODER} = ?2 AND {SEARCHABLE}"
)
BY_CONTENT = (
    f"SELECT record, vector FROM json_each(?1) AS wanted"  # noqa: S608 - the same
    f" JOIN entries ON seq = ({_NEWEST})"
)


def images_of(
    connection: sqlite3.Connection, statement: str, hashes: Sequence[str], decoder: str
) -> dict[str, Scanned]:
    """The images of these hashes; `statement` is `BY_CONTENT` for the index's table."""
    wanted = json.dumps(list(dict.fromkeys(hashes)))
    found: dict[str, Scanned] = {}
    for record, vector in connection.execute(statement, (wanted, decoder)):
        document = to_document(json.loads(record))
        if document.sha256 is not None:
            found[document.sha256] = Scanned(document, np.frombuffer(vector, "<f4"))
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
        self._statement = BY_CONTENT.replace("entries", f'"{quoted}"')
        self._by_content = f"{name}_by_content"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                if self._connection is None:
                    return {}
                return images_of(self._connection, self._statement, hashes, decoder)
            except sqlite3.Error as error:
                self._close()
                raise Unavailable(f"cannot read {self._path}: {error}") from error

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def _opened(self) -> sqlite3.Connection | None:
        if not self._path.is_file():
            return None
        connection = sqlite3.connect(
            read_only_address(self._path), uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            if self._is_usable(connection):
                weakref.finalize(self, connection.close)
                return connection
        except sqlite3.Error:
            connection.close()
            raise
        connection.close()
        return None

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
            self._connection.close()
            self._connection = None
