"""The embedded index's records without their vectors: listed, scanned, counted."""

import json
import sqlite3
from collections.abc import Iterator

import numpy as np

from imagesearch.adapters.embedded_times import TAKEN, dated, undated
from imagesearch.adapters.index_records import to_document, to_neighbour
from imagesearch.adapters.sqlite.database import HAS_NEIGHBOURS, EmbeddedDatabase
from imagesearch.adapters.sqlite.filters import Condition, matching
from imagesearch.domain.filters import Filter
from imagesearch.domain.images import Document, Linked, Scanned, Status, TakenPlace
from imagesearch.states import IndexHealth

LINKED = ("id", "key", "sha256", "neighbours")


class EmbeddedRecords:
    """What the database `_database` says of the images, whatever their vectors."""

    _name: str
    _database: EmbeddedDatabase

    def list_documents(
        self,
        *,
        status: Status | None,
        collection: str | None,
        after: str | None,
        limit: int,
        filter: Filter | None = None,
    ) -> list[Document]:
        wanted = matching(status, collection, filter, after)
        with self._database.reading() as connection:
            return self._listed(connection, wanted, "key, id", limit)

    def list_by_time(
        self,
        *,
        newest_first: bool,
        status: Status | None,
        collection: str | None,
        after: TakenPlace | None,
        limit: int,
        filter: Filter | None = None,
    ) -> list[Document]:
        wanted = matching(status, collection, filter)
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

    def count(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
    ) -> int:
        wanted = matching(status, collection, filter)
        statement = self._database.sql(wanted.select("count(*)"))
        with self._database.reading() as connection:
            return int(connection.execute(statement, wanted.values).fetchone()[0])

    def scan(
        self,
        *,
        status: Status | None = None,
        collection: str | None = None,
        filter: Filter | None = None,
        embeddings: bool = False,
    ) -> Iterator[Scanned]:
        wanted = matching(status, collection, filter)
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
