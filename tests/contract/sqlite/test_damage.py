"""Rows that cannot be what was written are found, and deleted on request."""

import sqlite3

import numpy as np
import pytest

from imagesearch.adapters.sqlite.damage import damaged_rows, delete_rows
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Status
from imagesearch.domain.ports import Delete, Put

NAME = "images-test"
NOT_A_NUMBER = np.full(4, np.nan, "<f4").tobytes()


@pytest.fixture
def file(tmp_path, put, document):
    path = tmp_path / "index.db"
    index = SqliteIndex(path, NAME, 4)
    index.write([put("a"), put("b"), put("c"), put("d")])
    index.write([Put(document("e", status=Status.REJECTED, reason="broken"), None, None)])
    index.write([Delete(put("gone").ref, None)])
    index.close()
    return path


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("vector", NOT_A_NUMBER, "its vector is damaged"),
        ("vector", bytes(16), "its vector is damaged"),
        ("vector", bytes(12), "its vector has not 4 numbers"),
        ("vector", None, "its vector has not 4 numbers"),
        ("record", "{}", "its record cannot be read"),
        ("key", "z", "its record is that of another image"),
    ],
)
def test_a_damaged_row_is_found_and_deleted(file, column, value, reason):
    assert list(damaged_rows(file, NAME, 4)) == []
    with sqlite3.connect(file) as database:
        database.execute(f'UPDATE "{NAME}" SET {column} = ? WHERE key = ?', (value, "b"))  # noqa: S608
    [row] = damaged_rows(file, NAME, 4)
    assert row.reason == reason
    delete_rows(file, NAME, 4, [row.seq])
    assert list(damaged_rows(file, NAME, 4)) == []
    index = SqliteIndex(file, NAME, 4)
    assert [each.ref.key for each in index.list_entries()] == ["a", "c", "d", "e"]
    index.close()
