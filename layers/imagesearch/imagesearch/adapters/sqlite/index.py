"""The vector index in one SQLite file, for one machine."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from imagesearch.adapters.index_records import as_json, to_neighbor, to_record, unit_vector
from imagesearch.adapters.sqlite.checksums import (
    DELETED,
    ENTRY,
    NO_VECTOR,
    VECTOR,
    Entry,
    RowCheck,
    StoredVector,
    record_crc,
    vector_crc,
)
from imagesearch.adapters.sqlite.content_lookup import BY_CONTENT, images_of
from imagesearch.adapters.sqlite.database import PATIENCE_SECONDS, DamagedFile, SqliteDatabase
from imagesearch.adapters.sqlite.facets import collections, facets
from imagesearch.adapters.sqlite.filters import (
    TAKEN_AT_MS,
    Condition,
    dated,
    field_of_record,
    in_collection,
    selected,
    undated,
)
from imagesearch.adapters.sqlite.schema import HAS_NEIGHBORS
from imagesearch.adapters.sqlite.selection import BY_KEY, selected_rows
from imagesearch.adapters.sqlite.vector_search import VectorSearch
from imagesearch.domain.facets import Facets
from imagesearch.domain.folders import CollectionCount
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

# Raised by one invalid record: SQLite rolls back that statement and keeps the others.
INVALID_RECORD = (ValueError, TypeError, OverflowError, sqlite3.DataError, sqlite3.InterfaceError)
# Ids consist of letters, digits, "-" and "_".
AFTER_EVERY_ID = "~"
ENTRY_FIELDS = ("bucket", "key", "status", "etag", "indexed_at", "last_modified")
ENTRIES_PER_PAGE, KEYS_PER_SAMPLE = 4096, 10_000
LINK_FIELDS = ("id", "key", "sha256", "neighbours")


class SqliteIndex:
    """Implements VectorIndex; safe for several processes and threads.

    A process that dies while writing loses its batch. A write waits for up to `patience` seconds
    while other processes write.

    Damaged rows are absent: they are not found or listed, and `get` returns them as deleted images,
    so that the indexer writes them again. All methods raise DamagedFile for damage of other kinds.
    """

    def __init__(
        self, path: Path, name: str, dimension: int, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._name = name
        self._dimension = dimension
        self._database = SqliteDatabase(path, name, dimension, patience)
        self._check = RowCheck(dimension)
        self._vectors = VectorSearch(self._database, dimension, self._check)

    @property
    def visibility_delay(self) -> timedelta:
        """A committed write is visible to the next search of any process."""
        return timedelta(0)

    def close(self) -> None:
        self._database.close()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        statement = f"SELECT {ENTRY}, {VECTOR} FROM entries WHERE id IN (?)"  # noqa: S608
        found = {}
        for row in self._database.rows_of_values(statement, [id for id in ids if id.isascii()]):
            entry, vector = Entry(*row[: len(Entry._fields)]), StoredVector(*row[-2:])
            is_intact = self._check.is_intact(entry, vector)
            found[entry.id] = Stored(entry.document() if is_intact else None, (entry.seq, 1))
        return found

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        rows = self._database.rows_of_values(
            f"SELECT seq, id, {VECTOR} FROM entries"  # noqa: S608 - constants
            " WHERE status = 'indexed' AND vector NOT NULL AND id IN (?)",
            [id for id in ids if id.isascii()],
        )
        found = {}
        for seq, id, *columns in rows:
            vector = StoredVector(*columns)
            embedding = vector.embedding() if vector.is_intact(id, self._dimension) else None
            if embedding is None:
                self._check.damaged.add(seq)
            else:
                found[id] = embedding
        return found

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        statement = self._database.sql(BY_CONTENT)
        with self._database.reading() as connection:
            return images_of(connection, statement, hashes, decoder, self._dimension)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        return self._vectors.search_many(queries)

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        with self._database.reading() as connection:
            also = Condition("TRUE") if after is None else Condition("key > ?", (after,))
            return self._listed(connection, selection, also, BY_KEY, limit)

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        order = "DESC" if newest_first else "ASC"
        documents: list[Document] = []
        with self._database.reading() as connection:
            if after is None or after.taken_at is not None:
                by_time = f"{TAKEN_AT_MS} {order}, key {order}"
                with_time = dated(after, newest_first)
                documents = self._listed(connection, selection, with_time, by_time, limit)
            if (rest := limit - len(documents)) > 0:
                without_time = undated(after, newest_first)
                by_key = f"key {order}"
                documents += self._listed(connection, selection, without_time, by_key, rest)
        return documents

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        with self._database.reading() as connection:
            if selection.filter is not None:
                rows = selected_rows(connection, self._database.sql, selection, order="")
                return sum(1 for _ in rows)
            condition = selected(selection)
            statement = self._database.sql(condition.select("count(*)"))
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
            sql = self._database.sql
            return collections(connection, sql, selection, depth=depth, after=after, limit=limit)

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        columns = VECTOR.split(", ") if embeddings else ()
        with self._database.reading_long() as connection:
            for entry, values in selected_rows(connection, self._database.sql, selection, columns):
                vector = StoredVector(*values) if embeddings else NO_VECTOR
                if self._check.is_intact(entry, vector) and (document := entry.document()):
                    yield Scanned(document, vector.embedding())

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        """A collection is filtered from the partial index of all linked images."""
        columns = ", ".join(map(field_of_record, LINK_FIELDS))
        within = Condition("TRUE") if collection is None else in_collection(collection)
        statement = self._database.sql(
            f"SELECT {ENTRY}, {columns} FROM entries WHERE {HAS_NEIGHBORS}"  # noqa: S608 - values are bound
            f" AND {within.sql} ORDER BY key, id"
        )
        with self._database.reading_long() as connection:
            for row in connection.execute(statement, within.values):
                if Entry(*row[: len(Entry._fields)]).is_intact:
                    id, key, sha256, neighbors = row[len(Entry._fields) :]
                    yield Linked(id, key, sha256, tuple(map(to_neighbor, json.loads(neighbors))))

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        columns = ", ".join(map(field_of_record, ENTRY_FIELDS))
        statement = self._database.sql(
            f"SELECT {ENTRY}, {columns} FROM entries"  # noqa: S608 - constants
            " WHERE (key, id) > (?, ?) ORDER BY key, id LIMIT ?"
        )
        position = (after, AFTER_EVERY_ID if after else "")
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(statement, (*position, ENTRIES_PER_PAGE)).fetchall()
            entries = [Entry(*row[: len(Entry._fields)]) for row in rows]
            for entry, row in zip(entries, rows, strict=True):
                if self._check.is_intact(entry):
                    bucket, key, status, etag, *times = row[len(Entry._fields) :]
                    moments = map(datetime.fromisoformat, times)
                    yield IndexEntry(ImageRef(bucket, key), Status(status), etag, *moments)
            if len(rows) < ENTRIES_PER_PAGE:
                return
            position = str(entries[-1].key), entries[-1].id

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
        damaged = list(
            self._database.rows_of_values(
                "SELECT seq FROM entries WHERE seq IN (?)", [*self._check.damaged]
            )
        )
        self._check.damaged.intersection_update(seq for (seq,) in damaged)
        return IndexHealth(
            name=self._name,
            status="green",
            images=counts.get(Status.INDEXED.value, 0),
            rejected=counts.get(Status.REJECTED.value, 0),
            damaged=len(damaged),
        )

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        try:
            return self._write_all(writes)
        except DamagedFile:
            # A row of damaged values cannot be replaced: its entries in the indexes differ.
            self._database.mend()
            return self._write_all(writes)

    def drop(self) -> None:
        self._database.drop()

    def _write_all(self, writes: Sequence[Write]) -> list[WriteResult]:
        with self._database.writing() as connection:
            return [self._write(connection, write) for write in writes]

    def _listed(
        self,
        connection: sqlite3.Connection,
        selection: Selection,
        also: Condition,
        order: str,
        limit: int,
    ) -> list[Document]:
        sql = self._database.sql
        rows = selected_rows(
            connection, sql, selection, also=also, order=order, is_intact=self._check.is_intact
        )
        documents = (entry.document() for entry, _ in rows)
        return list(islice((each for each in documents if each), limit))

    def _write(self, connection: sqlite3.Connection, write: Write) -> WriteResult:
        id = write.ref.id
        stored = connection.execute(
            self._database.sql(f"SELECT seq, {VECTOR} FROM entries WHERE id = ?"),  # noqa: S608
            (id,),
        ).fetchone()
        if write.expected != ((stored[0], 1) if stored else None):
            return WriteResult(WriteStatus.CONFLICT, "the entry has another version")
        try:
            vector = self._vector(write, StoredVector(*stored[1:]) if stored else NO_VECTOR)
            columns = (id, *_columns(write))
            connection.execute(
                self._database.sql(
                    "INSERT OR REPLACE INTO entries"
                    " (id, status, key, collection, record, record_crc, vector, vector_crc)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                ),
                (*columns, record_crc(*columns), *vector),
            )
        except INVALID_RECORD as error:
            return WriteResult(WriteStatus.FAILED, f"the index cannot store this record: {error}")
        return WriteResult(WriteStatus.WRITTEN)

    def _vector(self, write: Write, stored: StoredVector) -> StoredVector:
        """A vector that is kept keeps its checksum, too: a damaged one remains so."""
        if isinstance(write, Touch):
            return stored
        data = None
        if isinstance(write, Put) and write.embedding is not None:
            data = unit_vector(write.embedding, self._dimension).astype("<f4").tobytes()
        return StoredVector(data, vector_crc(write.ref.id, data))


def _columns(write: Write) -> tuple[str, str | None, str | None, str | None]:
    """Status, key, collection and record; of a deleted image only the status is kept."""
    if isinstance(write, Delete):
        return DELETED, None, None, None
    document = write.document
    ref, record = document.ref, as_json(to_record(document))
    return document.status.value, ref.key, ref.collection, record
