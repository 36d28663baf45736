"""Look-up of records by content in an SQLite index: its own, or another folder's, only read."""

import json
import sqlite3
from collections.abc import Sequence

import numpy as np

from imagesearch.adapters.embedded_database import DECODER, SEARCHABLE, SHA256
from imagesearch.adapters.records import to_document
from imagesearch.domain import Scanned

# For each hash the end of its part of the index `entries_by_content`, however many copies it has.
_NEWEST = (
    f"SELECT max(seq) FROM entries"  # noqa: S608 - values are bound
    f" WHERE {SHA256} = wanted.value AND {DECODER} = ?2 AND {SEARCHABLE}"
)
BY_CONTENT = (
    f"SELECT record, vector FROM json_each(?1) AS wanted"  # noqa: S608 - the same
    f" JOIN entries ON seq = ({_NEWEST})"
)


def images_of(
    connection: sqlite3.Connection, statement: str, hashes: Sequence[str], decoder: str
) -> dict[str, Scanned]:
    """The answers to `BY_CONTENT`, as said for this index's table, by their hashes."""
    wanted = json.dumps(list(dict.fromkeys(hashes)))
    found: dict[str, Scanned] = {}
    for record, vector in connection.execute(statement, (wanted, decoder)):
        document = to_document(json.loads(record))
        if document.sha256 is not None:
            found[document.sha256] = Scanned(document, np.frombuffer(vector, "<f4"))
    return found
