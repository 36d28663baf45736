"""The tables, indexes and versions of an index file."""

import sqlite3

from imagesearch.adapters.sqlite.filters import RECORD, TAKEN_AT_MS

# "imgs" identifies files of imagesearch (https://sqlite.org/pragma.html#pragma_application_id)
APPLICATION_ID = 0x696D6773
SCHEMA_VERSION = 1
# The schema version is in the header and in a row: a file whose header alone has a higher one is
# damaged, not of a newer release.
VERSION = "schema_version"
PROPERTIES = "CREATE TABLE IF NOT EXISTS properties (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"

# Literally the same in the partial index and in queries, or SQLite does not use the index:
# https://sqlite.org/partialindex.html
HAS_NEIGHBORS = f"json_array_length({RECORD}, '$.neighbours') > 0"

SHA256 = "json_extract(record, '$.sha256')"
DECODER = "json_extract(record, '$.decoder')"
SEARCHABLE = "status = 'indexed' AND vector NOT NULL"

# A row's `seq` is its version and grows with every write, so `seq > last` selects changes. A
# deleted image keeps its row: readers see the deletion, and a late write finds another version.
SCHEMA = """
CREATE TABLE IF NOT EXISTS spaces (name TEXT PRIMARY KEY, dimension INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    key TEXT,
    collection TEXT,
    record TEXT,
    vector BLOB,
    record_crc INTEGER,
    vector_crc INTEGER
);
"""
# Columns that files of older releases lack, and their indexes over expressions that fail for a
# damaged record.
ADDED_COLUMNS = ("record_crc", "vector_crc")
OBSOLETE_INDEXES = ("entries_linked", "entries_by_time")
INDEXES = {
    "entries_by_key": "(key, id, status, collection)",
    "entries_by_status": "(status)",
    "entries_with_duplicates": f"(key, id) WHERE {HAS_NEIGHBORS}",
    "entries_by_capture": f"({TAKEN_AT_MS}, key, status)",
    "entries_by_content": f"({SHA256}, {DECODER}) WHERE {SEARCHABLE}",
    "entries_without_crc": "(seq) WHERE record_crc IS NULL",
}


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of the columns of a table; empty if there is none."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    return {name for (name,) in rows}


def recorded_version(connection: sqlite3.Connection, default: int) -> int:
    """The schema version by the row of the file; `default` in a file without it."""
    if not columns_of(connection, "properties"):
        return default
    statement = "SELECT value FROM properties WHERE name = ?"
    row = connection.execute(statement, (VERSION,)).fetchone()
    return row[0] if row and isinstance(row[0], int) else default
