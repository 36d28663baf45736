"""The vector index in one SQLite file, for one machine: records, and exact k-NN by numpy."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from imagesearch.adapters.index_records import (
    as_json,
    query_vector,
    to_neighbor,
    to_record,
    unit_vector,
)
from imagesearch.adapters.sqlite.checksums import (
    DELETED,
    ENTRY,
    VECTOR,
    Entry,
    StoredVector,
    record_crc,
    vector_crc,
)
from imagesearch.adapters.sqlite.content_lookup import BY_CONTENT, images_of
from imagesearch.adapters.sqlite.database import (
    HAS_NEIGHBORS,
    PATIENCE_SECONDS,
    SEARCHABLE,
    DamagedFile,
    SqliteDatabase,
)
from imagesearch.adapters.sqlite.exact_knn import Row, RowMask, RowMatch, Snapshot, VectorLog
from imagesearch.adapters.sqlite.facets import collections, facets
from imagesearch.adapters.sqlite.filter_columns import FilterMasks
from imagesearch.adapters.sqlite.filters import (
    TAKEN_AT_MS,
    Condition,
    dated,
    field_of_record,
    in_collection,
    placeholders,
    selected,
    undated,
)
from imagesearch.adapters.sqlite.open_files import FileConnection, FileId
from imagesearch.adapters.sqlite.selection import BY_KEY, selected_rows
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
NO_VECTOR = StoredVector(None, None)


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
        self._vectors = VectorLog(dimension)
        self._masks = FilterMasks()
        self._file: FileId | None = None
        self._damaged: set[int] = set()
        self._refresh_lock = threading.Lock()
        self._masks_lock = threading.Lock()

    @property
    def visibility_delay(self) -> timedelta:
        """A committed write is visible to the next search of any process."""
        return timedelta(0)

    def close(self) -> None:
        self._database.close()

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        statement = f"SELECT {ENTRY}, {VECTOR} FROM entries WHERE id IN (?)"  # noqa: S608
        found = {}
        for row in self._rows(statement, [id for id in ids if id.isascii()]):
            entry, vector = Entry(*row[: len(Entry._fields)]), StoredVector(*row[-2:])
            is_intact = self._is_intact(entry, vector)
            found[entry.id] = Stored(entry.document() if is_intact else None, (entry.seq, 1))
        return found

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        rows = self._rows(
            f"SELECT seq, id, {VECTOR} FROM entries"  # noqa: S608 - constants
            " WHERE status = 'indexed' AND vector NOT NULL AND id IN (?)",
            [id for id in ids if id.isascii()],
        )
        found = {}
        for seq, id, *columns in rows:
            vector = StoredVector(*columns)
            embedding = vector.embedding() if vector.is_intact(id, self._dimension) else None
            if embedding is None:
                self._damaged.add(seq)
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
                if self._is_intact(entry, vector) and (document := entry.document()):
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
                if self._is_intact(entry):
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
        damaged = list(self._rows("SELECT seq FROM entries WHERE seq IN (?)", [*self._damaged]))
        self._damaged.intersection_update(seq for (seq,) in damaged)
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

    def _is_intact(self, entry: Entry, vector: StoredVector = NO_VECTOR) -> bool:
        """False for a damaged row, which health then counts."""
        is_intact = entry.is_intact and vector.is_intact(entry.id, self._dimension)
        if not is_intact:
            self._damaged.add(entry.seq)
        return is_intact

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
            connection, sql, selection, also=also, order=order, is_intact=self._is_intact
        )
        documents = (entry.document() for entry, _ in rows)
        return list(islice((each for each in documents if each), limit))

    def _rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement that ends with `IN (?)`, for any number of values."""
        for start in range(0, len(values), MAX_PARAMETERS):
            chunk = values[start : start + MAX_PARAMETERS]
            expanded = self._database.sql(statement).replace("(?)", f"({placeholders(chunk)})")
            with self._database.reading() as connection:
                rows = connection.execute(expanded, chunk).fetchall()
            yield from rows

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
        is_found = self._is_intact(entry, vector) and entry.status == Status.INDEXED
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
        rows = self._rows(f"SELECT {ENTRY} FROM entries WHERE seq IN (?)", seqs)  # noqa: S608
        entries = (Entry(*row) for row in rows)
        documents = {
            entry.seq: document
            for entry in entries
            if self._is_intact(entry) and (document := entry.document())
        }
        return [
            [Hit(documents[match.seq], match.score) for match in found if match.seq in documents]
            for found in matches
        ]

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
