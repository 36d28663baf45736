"""Detection of damaged rows in the SQLite file of an index."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagesearch.adapters.index_records import to_document
from imagesearch.adapters.sqlite.database import PATIENCE_SECONDS, SqliteDatabase
from imagesearch.domain.images import Status

ROWS_PER_READ = 1_000
# Of the length of a vector, which is 1 when it is written.
LENGTH_TOLERANCE = 1e-3
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row that cannot be used; without `seq`, a problem of the file itself."""

    seq: int | None
    key: str
    reason: str


def damaged_rows(path: Path, name: str, dimension: int) -> Iterator[DamagedRow]:
    """The rows whose record or vector cannot be what was written, and problems of the file.

    A changed value that is possible, such as another date, is not found. Raises Unavailable and
    ConfigurationError for a file that cannot be read at all.
    """
    database = SqliteDatabase(path, name, dimension, PATIENCE_SECONDS)
    try:
        with database.reading_long() as connection:
            problems = connection.execute(f"PRAGMA quick_check({MAX_PROBLEMS})").fetchall()
            yield from (DamagedRow(None, path.name, text) for (text,) in problems if text != "ok")
            rows = connection.execute(
                database.sql(
                    "SELECT seq, id, status, key, record, vector FROM entries"
                    " WHERE status <> 'deleted' ORDER BY key, id"
                )
            )
            while some := rows.fetchmany(ROWS_PER_READ):
                for row in some:
                    if reason := _damage(row, dimension):
                        yield DamagedRow(row[0], str(row[3]), reason)
    finally:
        database.close()


def delete_rows(path: Path, name: str, dimension: int, seqs: Sequence[int]) -> None:
    """Delete rows, whose images are indexed again as new ones. Raises Unavailable."""
    database = SqliteDatabase(path, name, dimension, PATIENCE_SECONDS)
    try:
        with database.writing() as connection:
            connection.executemany(
                database.sql("DELETE FROM entries WHERE seq = ?"), [(seq,) for seq in seqs]
            )
    finally:
        database.close()


def _damage(row: tuple[int, str, str, str | None, str | None, bytes | None], dimension: int) -> str:
    """The reason why a row cannot be used, or ""."""
    _, id, status, key, record, vector = row
    try:
        document = to_document(json.loads(record or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its record cannot be read"
    if (document.ref.id, document.status.value, document.ref.key) != (id, status, key):
        return "its record is that of another image"
    if document.status is not Status.INDEXED:
        return ""
    if vector is None or len(vector) != 4 * dimension:
        return f"its vector has not {dimension} numbers"
    length = float(np.linalg.norm(np.frombuffer(vector, "<f4").astype(np.float64)))
    return "" if math.isclose(length, 1, abs_tol=LENGTH_TOLERANCE) else "its vector is damaged"
