"""The embedded index's records without their vectors: listed, scanned, counted."""

import json
from collections.abc import Iterator

import numpy as np

from imagesearch.adapters.embedded_database import HAS_NEIGHBOURS, EmbeddedDatabase
from imagesearch.adapters.embedded_filters import matching
from imagesearch.adapters.records import to_document, to_neighbour
from imagesearch.domain import Document, IndexHealth, Linked, Scanned, Status
from imagesearch.filters import Filter

LINKED = ("id", "key", "sha256", "neighbours")


class EmbeddedRecords:
    """What the database `_database` says of the images, whatever their vectors."""

    _name: str
    _database: EmbeddedDatabase

    def list_documents(
        self, *, status: Status | None, collection: str | None, after: str | None, limit: int
    ) -> list[Document]:
        wanted = matching(status, collection, None, after)
        statement = self._database.sql(wanted.select("record", "ORDER BY key, id LIMIT ?"))
        with self._database.reading() as connection:
            rows = connection.execute(statement, (*wanted.values, limit)).fetchall()
        return [to_document(json.loads(record)) for (record,) in rows]

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
