"""Checksums of the rows of an SQLite index: damage that SQLite does not detect is not returned.

CRC-32, as in Lucene's files, detects any damage of up to 32 adjacent bits. SQLite itself has no
checksums of its pages.
"""

import json
import math
import sqlite3
import zlib
from operator import methodcaller
from typing import NamedTuple

import numpy as np

from imagesearch.adapters.index_records import to_document
from imagesearch.domain.images import Document, Embedding, Status

DELETED = "deleted"
# Recorded for a row that was damaged when it was first checked: no CRC-32 is negative.
DAMAGED = -1
# Of the length of a vector, which is 1 when it is written.
LENGTH_TOLERANCE = 1e-3
ENTRY = "seq, id, status, key, collection, record, record_crc"
VECTOR = "vector, vector_crc"


class Entry(NamedTuple):
    """A row as it is stored, without its vector; the columns of `ENTRY`.

    `record_crc` is None for a row of a release without checksums.
    """

    seq: int
    id: str
    status: str
    key: str | None
    collection: str | None
    record: str | None
    record_crc: int | None

    @property
    def is_intact(self) -> bool:
        """True unless the row differs from what was written."""
        if self.record_crc is None:
            return not _record_damage(self)
        return self.record_crc == record_crc(*self[1:6])

    def document(self) -> Document | None:
        """The document of an intact row; None for a deleted image."""
        return None if self.record is None else to_document(json.loads(self.record))


class StoredVector(NamedTuple):
    """A vector as it is stored; the columns of `VECTOR`."""

    data: bytes | None
    crc: int | None

    def is_intact(self, id: str, dimension: int) -> bool:
        """True unless the vector of this image differs from what was written."""
        if self.crc is None:
            return self.data is None or not _vector_damage(self.data, dimension)
        return self.crc == vector_crc(id, self.data)

    def embedding(self) -> Embedding | None:
        """The embedding [D] of an intact vector."""
        return None if self.data is None else np.frombuffer(self.data, "<f4")


NO_VECTOR = StoredVector(None, None)


class RowCheck:
    """Checks rows by their checksums, and keeps the `seq` of those that are damaged."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self.damaged: set[int] = set()

    def is_intact(self, entry: Entry, vector: StoredVector = NO_VECTOR) -> bool:
        """False for a damaged row."""
        is_intact = entry.is_intact and vector.is_intact(entry.id, self._dimension)
        if not is_intact:
            self.damaged.add(entry.seq)
        return is_intact


def record_crc(
    id: str, status: str, key: str | None, collection: str | None, record: str | None
) -> int:
    """The checksum of a row's columns; of a damaged one, whose types may differ, any number."""
    text = f"{id}\0{status}\0{key}\0{collection}\0{record}"
    return zlib.crc32(text.encode(errors="surrogatepass"))


def vector_crc(id: str, data: bytes | None) -> int:
    """The checksum of the vector of an image; a vector of another image has another one."""
    return zlib.crc32(data if isinstance(data, bytes) else b"", zlib.crc32(str(id).encode()))


def damage(entry: Entry, vector: StoredVector, dimension: int) -> str:
    """The reason why a row cannot be used, or ""."""
    if not entry.is_intact:
        return _record_damage(entry) or "its record is damaged"
    if not vector.is_intact(entry.id, dimension):
        return _vector_damage(vector.data, dimension) or "its vector is damaged"
    if vector.data is None and _is_indexed_image(entry):
        return _vector_damage(None, dimension)
    return ""


def _is_indexed_image(entry: Entry) -> bool:
    """False for the record of a label set, which is of no object and has no vector."""
    if entry.status != Status.INDEXED:
        return False
    document = entry.document()
    return document is not None and bool(document.etag)


def adopted_crcs(entry: Entry, vector: StoredVector, dimension: int) -> tuple[int, int]:
    """The checksums of a row of a release without them; `DAMAGED` for what cannot be used."""
    is_usable = not damage(entry, vector, dimension)
    return (
        record_crc(*entry[1:6]) if is_usable else DAMAGED,
        vector_crc(entry.id, vector.data) if is_usable else DAMAGED,
    )


def add_text_replacement(connection: sqlite3.Connection) -> None:
    """Return damaged UTF-8 with replacement characters, so that its row is read and found."""
    connection.text_factory = methodcaller("decode", "utf-8", "replace")


def _record_damage(entry: Entry) -> str:
    """The reason why a record cannot be what was written, as far as it shows, or ""."""
    if entry.status == DELETED:
        return ""
    try:
        document = to_document(json.loads(entry.record or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its record cannot be read"
    found = (document.ref.id, document.status.value, document.ref.key, document.ref.collection)
    if found != (entry.id, entry.status, entry.key, entry.collection):
        return "its record is that of another image"
    return ""


def _vector_damage(data: bytes | None, dimension: int) -> str:
    """The reason why a vector cannot be what was written, as far as it shows, or ""."""
    if not isinstance(data, bytes) or len(data) != 4 * dimension:
        return f"its vector has not {dimension} numbers"
    length = float(np.linalg.norm(np.frombuffer(data, "<f4").astype(np.float64)))
    return "" if math.isclose(length, 1, abs_tol=LENGTH_TOLERANCE) else "its vector is damaged"
