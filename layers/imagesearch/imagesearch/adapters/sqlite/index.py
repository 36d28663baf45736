"""The vector index in one SQLite file, for one machine: records, and exact k-NN by numpy."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imagesearch.adapters.index_records import (
    as_json,
    query_vector,
    to_document,
    to_neighbor,
    to_record,
    unit_vector,
)
from imagesearch.adapters.sqlite.content_lookup import BY_CONTENT, images_of
from imagesearch.adapters.sqlite.database import (
    HAS_NEIGHBORS,
    PATIENCE_SECONDS,
    SEARCHABLE,
    SqliteDatabase,
)
from imagesearch.adapters.sqlite.exact_knn import Row, RowMask, RowMatch, Snapshot, VectorLog
from imagesearch.adapters.sqlite.facets import CollectionTree, facets
from imagesearch.adapters.sqlite.filter_columns import FilterMasks
from imagesearch.adapters.sqlite.filters import (
    TAKEN_AT_MS,
    Condition,
    dated,
    in_collection,
    matching,
    placeholders,
    undated,
)
from imagesearch.domain.facets import Facets
from imagesearch.domain.filters import AllOf, Filter, KeyPrefix
from imagesearch.domain.folders import CollectionCount, folder_of
from imagesearch.domain.images import (
    Document,
    Embedding,
    ImageRef,
    IndexEntry,
    Linked,
    Scanned,
    Status,
)
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
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TimePosition, VectorQuery

DELETED = "deleted"
FETCH_ROWS = 4096
# SQLite builds may allow no more than 999 parameters: https://sqlite.org/limits.html
MAX_PARAMETERS = 500
# Raised by one invalid record: SQLite rolls back that statement and keeps the others.
INVALID_RECORD = (ValueError, TypeError, OverflowError, sqlite3.DataError, sqlite3.InterfaceError)
# Ids consist of letters, digits, "-" and "_".
AFTER_EVERY_ID = "~"
# A hit that is overwritten while it is fetched repeats the search, this often.
MAX_ROUNDS = 5
ENTRY_FIELDS = ("bucket", "key", "status", "etag", "indexed_at", "last_modified")
ENTRIES_PER_PAGE, KEYS_PER_SAMPLE = 4096, 10_000
LINK_FIELDS = ("id", "key", "sha256", "neighbours")


class SqliteIndex:
    """Implements VectorIndex; safe for several processes and threads.

    A process that dies while writing loses its batch. A write waits for up to `patience` seconds
    while other processes write.
    """

    def __init__(
        self, path: Path, name: str, dimension: int, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._name = name
        self._dimension = dimension
        self._database = SqliteDatabase(path, name, dimension, patience)
        self._vectors = VectorLog(dimension)
        self._masks = FilterMasks()
        self._refresh_lock = threading.Lock()

    @property
    def visibility_delay(self) -> timedelta:
        """A committed write is visible to the next search of any process."""
        return timedelta(0)

    def close(self) -> None:
        self._database.close()

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

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
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

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        condition = matching(selection, after)
        with self._database.reading() as connection:
            return self._listed(connection, condition, "key, id", limit)

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        condition = matching(selection)
        order = "DESC" if newest_first else "ASC"
        documents: list[Document] = []
        with self._database.reading() as connection:
            if after is None or after.taken_at is not None:
                with_time = condition.also(dated(after, newest_first))
                by_time = f"{TAKEN_AT_MS} {order}, key {order}"
                documents = self._listed(connection, with_time, by_time, limit)
            if (rest := limit - len(documents)) > 0:
                without_time = condition.also(undated(after, newest_first))
                documents += self._listed(connection, without_time, f"key {order}", rest)
        return documents

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        condition = matching(selection)
        statement = self._database.sql(condition.select("count(*)"))
        with self._database.reading() as connection:
            return int(connection.execute(statement, condition.values).fetchone()[0])

    def facets(self, selection: Selection = ALL_DOCUMENTS) -> Facets:
        with self._database.reading() as connection:
            return facets(connection, self._database.sql, selection)

    def collections(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        depth: int,
        after: str | None = None,
        limit: int,
    ) -> list[CollectionCount]:
        with self._database.reading() as connection:
            tree = CollectionTree(connection, self._database.sql, selection)
            return tree.page(depth, after, limit)

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        condition = matching(selection)
        columns = "record, vector" if embeddings else "record, NULL"
        statement = self._database.sql(condition.select(columns, "ORDER BY key, id"))
        with self._database.reading_long() as connection:
            for record, vector in connection.execute(statement, condition.values):
                embedding = np.frombuffer(vector, "<f4") if vector else None
                yield Scanned(to_document(json.loads(record)), embedding)

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        """A collection is filtered from the partial index of all linked images."""
        columns = ", ".join(f"json_extract(record, '$.{name}')" for name in LINK_FIELDS)
        within = Condition("TRUE") if collection is None else in_collection(collection)
        statement = self._database.sql(
            f"SELECT {columns} FROM entries WHERE {HAS_NEIGHBORS}"  # noqa: S608 - values are bound
            f" AND {within.sql} ORDER BY key, id"
        )
        with self._database.reading_long() as connection:
            for id, key, sha256, neighbors in connection.execute(statement, within.values):
                yield Linked(id, key, sha256, tuple(map(to_neighbor, json.loads(neighbors))))

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        columns = ", ".join(f"json_extract(record, '$.{name}')" for name in ENTRY_FIELDS)
        statement = self._database.sql(
            f"SELECT id, {columns} FROM entries"  # noqa: S608 - constants
            " WHERE (key, id) > (?, ?) ORDER BY key, id LIMIT ?"
        )
        position = (after, AFTER_EVERY_ID if after else "")
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(statement, (*position, ENTRIES_PER_PAGE)).fetchall()
            for _, bucket, key, status, etag, *times in rows:
                ref = ImageRef(bucket, key)
                yield IndexEntry(ref, Status(status), etag, *map(datetime.fromisoformat, times))
            if len(rows) < ENTRIES_PER_PAGE:
                return
            position = rows[-1][2], rows[-1][0]

    def keys_of_ids(self, prefix: str) -> list[str]:
        statement = self._database.sql(
            "SELECT key FROM entries WHERE key NOT NULL AND substr(id, 1, ?) = ?"
            " ORDER BY key LIMIT ?"
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement, (len(prefix), prefix, KEYS_PER_SAMPLE)).fetchall()
        return [key for (key,) in rows]

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

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        with self._database.writing() as connection:
            return [self._write(connection, write) for write in writes]

    def drop(self) -> None:
        self._database.drop()

    def _listed(
        self, connection: sqlite3.Connection, condition: Condition, order: str, limit: int
    ) -> list[Document]:
        statement = self._database.sql(condition.select("record", f"ORDER BY {order} LIMIT ?"))
        rows = connection.execute(statement, (*condition.values, limit)).fetchall()
        return [to_document(json.loads(record)) for (record,) in rows]

    def _rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement that ends with `IN (?)`, for any number of values."""
        for start in range(0, len(values), MAX_PARAMETERS):
            chunk = values[start : start + MAX_PARAMETERS]
            expanded = self._database.sql(statement).replace("(?)", f"({placeholders(chunk)})")
            with self._database.reading() as connection:
                rows = connection.execute(expanded, chunk).fetchall()
            yield from rows

    def _refresh(self, filters: Sequence[Filter | None]) -> tuple[Snapshot, list[RowMask]]:
        """Load the rows written since the last call; the vectors, and the mask of each filter."""
        with self._refresh_lock, self._database.reading() as connection:
            if self._vectors.mostly_dead:
                self._vectors = VectorLog(self._dimension)
                self._masks = FilterMasks()
            statement = self._database.sql(
                "SELECT seq, id, collection, iif(status = 'indexed', vector, NULL)"
                " FROM entries WHERE seq > ? ORDER BY seq"
            )
            cursor = connection.execute(statement, (self._vectors.snapshot.last_seq,))
            while rows := [Row(*row) for row in cursor.fetchmany(FETCH_ROWS)]:
                self._vectors.extend(rows)
            snapshot = self._vectors.snapshot
            read = partial(self._cells, connection)
            return snapshot, self._masks.masks(filters, snapshot.seqs, read)

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
        rows = self._rows("SELECT seq, record FROM entries WHERE seq IN (?)", seqs)
        documents = {seq: to_document(json.loads(record)) for seq, record in rows}
        return [
            [Hit(documents[match.seq], match.score) for match in found if match.seq in documents]
            for found in matches
        ]

    def _write(self, connection: sqlite3.Connection, write: Write) -> WriteResult:
        id = write.ref.id
        stored = connection.execute(
            self._database.sql("SELECT seq, vector FROM entries WHERE id = ?"), (id,)
        ).fetchone()
        if write.expected != ((stored[0], 1) if stored else None):
            return WriteResult(WriteStatus.CONFLICT, "the entry has another version")
        try:
            vector = self._vector(write, stored)
            connection.execute(
                self._database.sql(
                    "INSERT OR REPLACE INTO entries (id, status, key, collection, record, vector)"
                    " VALUES (?, ?, ?, ?, ?, ?)"
                ),
                (id, *_columns(write), vector),
            )
        except INVALID_RECORD as error:
            return WriteResult(WriteStatus.FAILED, f"the index cannot store this record: {error}")
        return WriteResult(WriteStatus.WRITTEN)

    def _vector(self, write: Write, stored: tuple[int, bytes] | None) -> bytes | None:
        if isinstance(write, Touch):
            return stored[1] if stored else None
        if isinstance(write, Put) and write.embedding is not None:
            return unit_vector(write.embedding, self._dimension).astype("<f4").tobytes()
        return None


def _by_prefix(query: VectorQuery) -> VectorQuery:
    """The query with a nested collection as a filter: the vectors know the first folder only."""
    if query.collection is None or "/" not in query.collection:
        return query
    filters = [KeyPrefix(folder_of(query.collection)), *([query.filter] if query.filter else [])]
    return replace(query, collection=None, filter=AllOf(tuple(filters)))


def _columns(write: Write) -> tuple[str, str | None, str | None, str | None]:
    """Status, key, collection and record; of a deleted image only the status is kept."""
    if isinstance(write, Delete):
        return DELETED, None, None, None
    document = write.document
    ref, record = document.ref, as_json(to_record(document))
    return document.status.value, ref.key, ref.collection, record


def _document(record: str | None) -> Document | None:
    return to_document(json.loads(record)) if record is not None else None
