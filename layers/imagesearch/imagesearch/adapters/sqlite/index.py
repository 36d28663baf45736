"""A vector index in one SQLite file, for one machine: exact k-NN by numpy, nothing to install.

The embedded index's records without their vectors: listed, scanned, counted.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imagesearch.adapters.index_records import (
    as_json,
    query_vector,
    to_document,
    to_neighbour,
    to_record,
    unit_vector,
)
from imagesearch.adapters.sqlite.content_lookup import BY_CONTENT, images_of
from imagesearch.adapters.sqlite.database import HAS_NEIGHBOURS, PATIENCE_SECONDS, SqliteDatabase
from imagesearch.adapters.sqlite.exact_knn import Allowed, Match, Row, Snapshot, VectorLog
from imagesearch.adapters.sqlite.filter_columns import FilterMasks
from imagesearch.adapters.sqlite.filters import TAKEN, Condition, dated, matching, places, undated
from imagesearch.domain.filters import Filter
from imagesearch.domain.images import Document, Embedding, Linked, Scanned, Status
from imagesearch.domain.ports import (
    Delete,
    IndexHealth,
    Put,
    Stored,
    Touch,
    Write,
    WriteResult,
    WriteStatus,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TakenPlace, VectorQuery

LINKED = ("id", "key", "sha256", "neighbours")


class SqliteRecords:
    """What the database `_database` says of the images, whatever their vectors."""

    _name: str
    _database: SqliteDatabase

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        wanted = matching(selection, after)
        with self._database.reading() as connection:
            return self._listed(connection, wanted, "key, id", limit)

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TakenPlace | None = None,
        limit: int,
    ) -> list[Document]:
        wanted = matching(selection)
        way = "DESC" if newest_first else "ASC"
        found: list[Document] = []
        with self._database.reading() as connection:
            if after is None or after.taken_at is not None:
                those = wanted.also(dated(after, newest_first))
                found = self._listed(connection, those, f"{TAKEN} {way}, key {way}", limit)
            if len(found) < limit:
                those = wanted.also(undated(after, newest_first))
                found += self._listed(connection, those, f"key {way}", limit - len(found))
        return found

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        wanted = matching(selection)
        statement = self._database.sql(wanted.select("count(*)"))
        with self._database.reading() as connection:
            return int(connection.execute(statement, wanted.values).fetchone()[0])

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        wanted = matching(selection)
        columns = "record, vector" if embeddings else "record, NULL"
        statement = self._database.sql(wanted.select(columns, "ORDER BY key, id"))
        with self._database.reading_long() as connection:
            for record, vector in connection.execute(statement, wanted.values):
                embedding = np.frombuffer(vector, "<f4") if vector else None
                yield Scanned(to_document(json.loads(record)), embedding)

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        """Images in one collection are few enough to be picked from all."""
        columns = ", ".join(f"json_extract(record, '$.{name}')" for name in LINKED)
        statement = self._database.sql(
            f"SELECT {columns} FROM entries WHERE {HAS_NEIGHBOURS}"  # noqa: S608 - nothing given
            " AND (?1 IS NULL OR collection = ?1) ORDER BY key, id"
        )
        with self._database.reading_long() as connection:
            for id, key, sha256, neighbours in connection.execute(statement, (collection,)):
                yield Linked(id, key, sha256, tuple(map(to_neighbour, json.loads(neighbours))))

    def _listed(
        self, connection: sqlite3.Connection, wanted: Condition, order: str, limit: int
    ) -> list[Document]:
        statement = self._database.sql(wanted.select("record", f"ORDER BY {order} LIMIT ?"))
        rows = connection.execute(statement, (*wanted.values, limit)).fetchall()
        return [to_document(json.loads(record)) for (record,) in rows]

    def health(self) -> IndexHealth:
        statement = "SELECT status, count(*) FROM entries GROUP BY status"
        with self._database.reading() as connection:
            counts = dict(connection.execute(self._database.sql(statement)).fetchall())
        return IndexHealth(
            name=self._name,
            status="green",
            images=counts.get(Status.INDEXED.value, 0),
            rejected=counts.get(Status.REJECTED.value, 0),
        )


DELETED = "deleted"
ROWS_AT_A_TIME = 4096
# SQLite builds may allow no more than 999 parameters: https://sqlite.org/limits.html
IDS_AT_A_TIME = 500
# What one odd record raises: SQLite undoes that statement and keeps the others.
REFUSED = (ValueError, TypeError, OverflowError, sqlite3.DataError, sqlite3.InterfaceError)
# A hit that is overwritten while it is fetched sends the search round again, this often.
ROUNDS = 5


class SqliteIndex(SqliteRecords):
    """Safe for several processes and threads; a process that dies while writing loses its batch.

    `patience` is for how many seconds a write waits while other processes write.
    """

    def __init__(
        self, path: Path, name: str, dimension: int, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._name = name
        self._dimension = dimension
        self._database = SqliteDatabase(path, name, dimension, patience)
        self._vectors = VectorLog(dimension)
        self._masks = FilterMasks()
        self._refreshing = threading.Lock()

    @property
    def visibility_delay(self) -> timedelta:
        """What is committed is found by the next search, whoever asks."""
        return timedelta(0)

    def close(self) -> None:
        self._database.close()

    def drop(self) -> None:
        self._database.drop()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        possible = [id for id in ids if id.isascii()]
        rows = self._rows("SELECT id, record, seq FROM entries WHERE id IN (?)", possible)
        return {id: Stored(_document(record), (seq, 1)) for id, record, seq in rows}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        rows = self._rows(
            "SELECT id, vector FROM entries"
            " WHERE status = 'indexed' AND vector NOT NULL AND id IN (?)",
            [id for id in ids if id.isascii()],
        )
        return {id: np.frombuffer(vector, "<f4") for id, vector in rows}

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        statement = self._database.sql(BY_CONTENT)
        with self._database.reading() as connection:
            return images_of(connection, statement, hashes, decoder)

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        with self._database.writing() as connection:
            return [self._write(connection, write) for write in writes]

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        sought = [
            replace(query, embedding=query_vector(query.embedding, self._dimension))
            for query in queries
        ]
        for _ in range(ROUNDS):
            snapshot, allowed = self._refreshed([query.filter for query in sought])
            matches = snapshot.nearest_of_each(sought, allowed)
            hits = self._hits(matches)
            if [len(found) for found in hits] == [len(found) for found in matches]:
                break
        return hits

    def _write(self, connection: sqlite3.Connection, write: Write) -> WriteResult:
        id = write.ref.id
        known = connection.execute(
            self._database.sql("SELECT seq, vector FROM entries WHERE id = ?"), (id,)
        ).fetchone()
        if write.expected != ((known[0], 1) if known else None):
            return WriteResult(WriteStatus.CONFLICT, "the entry has another version")
        try:
            vector = self._vector(write, known)
            connection.execute(
                self._database.sql(
                    "INSERT OR REPLACE INTO entries (id, status, key, collection, record, vector)"
                    " VALUES (?, ?, ?, ?, ?, ?)"
                ),
                (id, *_columns(write), vector),
            )
        except REFUSED as error:
            return WriteResult(WriteStatus.FAILED, f"the index cannot hold this record: {error}")
        return WriteResult(WriteStatus.WRITTEN)

    def _vector(self, write: Write, known: tuple[int, bytes] | None) -> bytes | None:
        if isinstance(write, Touch):
            return known[1] if known else None
        if isinstance(write, Put) and write.embedding is not None:
            return unit_vector(write.embedding, self._dimension).astype("<f4").tobytes()
        return None

    def _refreshed(self, filters: Sequence[Filter | None]) -> tuple[Snapshot, list[Allowed]]:
        """The vectors as they are in the file now, and for which of them each filter holds."""
        with self._refreshing, self._database.reading() as connection:
            if self._vectors.mostly_dead:
                self._vectors = VectorLog(self._dimension)
                self._masks = FilterMasks()
            statement = self._database.sql(
                "SELECT seq, id, collection, iif(status = 'indexed', vector, NULL)"
                " FROM entries WHERE seq > ? ORDER BY seq"
            )
            cursor = connection.execute(statement, (self._vectors.snapshot.last_seq,))
            while rows := [Row(*row) for row in cursor.fetchmany(ROWS_AT_A_TIME)]:
                self._vectors.extend(rows)
            snapshot = self._vectors.snapshot
            read = partial(self._cells, connection)
            return snapshot, [
                None if filter is None else self._masks.mask(filter, snapshot.seqs, read)
                for filter in filters
            ]

    def _cells(
        self, connection: sqlite3.Connection, expression: Condition, after: int
    ) -> list[tuple[int, Any]]:
        statement = self._database.sql(
            f"SELECT seq, {expression.sql} FROM entries"  # noqa: S608 - values are bound
            " WHERE seq > ? AND status = 'indexed' AND vector NOT NULL ORDER BY seq"
        )
        return connection.execute(statement, (*expression.values, after)).fetchall()

    def _hits(self, matches: Sequence[Sequence[Match]]) -> list[list[Hit]]:
        """The matches' documents; one that was overwritten since has another seq: left out."""
        seqs = list({match.seq for found in matches for match in found})
        rows = self._rows("SELECT seq, record FROM entries WHERE seq IN (?)", seqs)
        documents = {seq: to_document(json.loads(record)) for seq, record in rows}
        return [
            [Hit(documents[match.seq], match.score) for match in found if match.seq in documents]
            for found in matches
        ]

    def _rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement that ends with `IN (?)`, for any number of values."""
        for start in range(0, len(values), IDS_AT_A_TIME):
            part = values[start : start + IDS_AT_A_TIME]
            filled = self._database.sql(statement).replace("(?)", f"({places(part)})")
            with self._database.reading() as connection:
                rows = connection.execute(filled, part).fetchall()
            yield from rows


def _columns(write: Write) -> tuple[str, str | None, str | None, str | None]:
    """Status, key, collection and record; of a deleted image only the status is kept."""
    if isinstance(write, Delete):
        return DELETED, None, None, None
    document = write.document
    ref, record = document.ref, as_json(to_record(document))
    return document.status.value, ref.key, ref.collection, record


def _document(record: str | None) -> Document | None:
    return to_document(json.loads(record)) if record is not None else None
