"""Exact k-NN among the images of a SQLite file: their vectors and filter columns in memory."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from imagesearch.adapters.index_records import query_vector
from imagesearch.adapters.sqlite.checksums import ENTRY, VECTOR, Entry, RowCheck, StoredVector
from imagesearch.adapters.sqlite.database import SqliteDatabase
from imagesearch.adapters.sqlite.exact_knn import Row, RowMask, RowMatch, Snapshot, VectorLog
from imagesearch.adapters.sqlite.filter_columns import FilterMasks
from imagesearch.adapters.sqlite.open_files import FileConnection, FileId
from imagesearch.adapters.sqlite.schema import SEARCHABLE
from imagesearch.domain.filters import AllOf, Filter, KeyPrefix
from imagesearch.domain.folders import folder_of
from imagesearch.domain.images import Status
from imagesearch.domain.queries import Hit, VectorQuery

FETCH_ROWS = 4096
# A hit that is overwritten while it is fetched repeats the search, this often.
MAX_ROUNDS = 5


class VectorSearch:
    """Searches among the rows that are committed when a search begins; thread-safe.

    Damaged rows are not found.
    """

    def __init__(self, database: SqliteDatabase, dimension: int, check: RowCheck) -> None:
        self._database = database
        self._dimension = dimension
        self._check = check
        self._vectors = VectorLog(dimension)
        self._masks = FilterMasks()
        self._file: FileId | None = None
        self._refresh_lock = threading.Lock()
        self._masks_lock = threading.Lock()

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        """The hits of each query, nearest first."""
        normalized = [
            replace(_by_prefix(query), embedding=query_vector(query.embedding, self._dimension))
            for query in queries
        ]
        for _ in range(MAX_ROUNDS):
            snapshot, allowed = self._refresh([query.filter for query in normalized])
            matches = snapshot.nearest_of_each(normalized, allowed)
            hits = self._hits(matches)
            if [len(found) for found in hits] == [len(found) for found in matches]:
                break
        return hits

    def _refresh(self, filters: Sequence[Filter | None]) -> tuple[Snapshot, list[RowMask]]:
        """Load the rows written since the last call; the vectors, and the mask of each filter.

        Searches without a filter do not wait for the masks of others.
        """
        with ExitStack() as stack:
            with self._refresh_lock:
                # Begins after the transaction of any earlier call: it sees all rows of the log.
                connection = stack.enter_context(self._database.reading())
                snapshot = self._extended(connection)
                masks = self._masks
            if not any(filters):
                return snapshot, [None] * len(filters)
            stack.enter_context(self._masks_lock)
            return snapshot, masks.masks(filters, snapshot.seqs, partial(self._cells, connection))

    def _extended(self, connection: FileConnection) -> Snapshot:
        """The vectors with the rows written since the last call; a replaced file is loaded."""
        if self._vectors.mostly_dead or self._file != connection.file:
            self._file = connection.file
            self._vectors = VectorLog(self._dimension)
            self._masks = FilterMasks()
        statement = self._database.sql(
            f"SELECT {ENTRY}, {VECTOR} FROM entries WHERE seq > ? ORDER BY seq"  # noqa: S608
        )
        cursor = connection.execute(statement, (self._vectors.snapshot.last_seq,))
        while rows := cursor.fetchmany(FETCH_ROWS):
            self._vectors.extend([self._row(row) for row in rows])
        return self._vectors.snapshot

    def _row(self, columns: Sequence[Any]) -> Row:
        """The row of a scan; without a vector if it is damaged or not searchable."""
        entry, vector = Entry(*columns[: len(Entry._fields)]), StoredVector(*columns[-2:])
        is_found = self._check.is_intact(entry, vector) and entry.status == Status.INDEXED
        return Row(entry.seq, entry.id, entry.collection, vector.data if is_found else None)

    def _cells(
        self, connection: sqlite3.Connection, expressions: Sequence[str], after: int
    ) -> list[tuple[Any, ...]]:
        statement = self._database.sql(
            f"SELECT seq, {', '.join(expressions)} FROM entries"  # noqa: S608 - constants
            f" WHERE seq > ? AND {SEARCHABLE} ORDER BY seq"
        )
        return connection.execute(statement, (after,)).fetchall()

    def _hits(self, matches: Sequence[Sequence[RowMatch]]) -> list[list[Hit]]:
        """The matches with their documents; a match overwritten since has another seq: omitted."""
        seqs = list({match.seq for found in matches for match in found})
        rows = self._database.rows_of_values(f"SELECT {ENTRY} FROM entries WHERE seq IN (?)", seqs)  # noqa: S608
        entries = (Entry(*row) for row in rows)
        documents = {
            entry.seq: document
            for entry in entries
            if self._check.is_intact(entry) and (document := entry.document())
        }
        return [
            [Hit(documents[match.seq], match.score) for match in found if match.seq in documents]
            for found in matches
        ]


def _by_prefix(query: VectorQuery) -> VectorQuery:
    """The query with a nested collection as a filter: the vectors know the first folder only."""
    if query.collection is None or "/" not in query.collection:
        return query
    filters = [KeyPrefix(folder_of(query.collection)), *([query.filter] if query.filter else [])]
    return replace(query, collection=None, filter=AllOf(tuple(filters)))
