"""The embedded index's records without their vectors: listed, scanned, counted."""

import json
from collections.abc import Iterator

import numpy as np

from imagesearch.adapters.embedded_database import EmbeddedDatabase
from imagesearch.adapters.embedded_filters import matching
from imagesearch.adapters.records import to_document
from imagesearch.domain import Document, IndexHealth, Scanned, Status
from imagesearch.filters import Filter


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
