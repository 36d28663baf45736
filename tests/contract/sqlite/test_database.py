"""The file of an SQLite index is checked when opened; files of other programs are not changed."""

import sqlite3
from dataclasses import replace
from math import cos, radians

import numpy as np
import pytest

from imagesearch.domain.errors import ConfigurationError, Unavailable
from imagesearch.domain.ports import WriteStatus
from imagesearch.domain.queries import VectorQuery

EAST = np.array([1, 0, 0, 0], np.float32)


def test_overwritten_vectors_are_removed_from_memory(opened, put):
    """The scan keeps fewer than 15,000 obsolete rows for 5,000 current ones."""
    index = opened()
    writes = [put(f"{number}") for number in range(5000)]
    for degrees in (0, 30, 60):
        versions = index.get([write.ref.id for write in writes])
        index.write(
            [
                replace(
                    put(write.ref.key, degrees),
                    expected=versions[write.ref.id].version if versions else None,
                )
                for write in writes
            ]
        )
        hits = index.search(VectorQuery(EAST, 10_000))
        assert len(hits) == 5000
        assert {round(hit.score, 4) for hit in hits} == {round(cos(radians(degrees)), 4)}


def test_indexes_of_one_file_are_separate(opened, put):
    opened("images-one").write([put("a")])
    opened("images-two", dimension=3)
    assert opened("images-two", dimension=3).health().images == 0
    assert opened("images-one").health().images == 1


def test_an_index_file_of_another_dimension_is_rejected(opened):
    opened(dimension=4)
    with pytest.raises(ConfigurationError, match="4 dimensions, the model 8") as raised:
        opened(dimension=8)
    assert "INDEX_URL" in raised.value.hint


def test_a_file_that_is_not_a_database_is_rejected_and_not_changed(opened, path):
    path.parent.mkdir()
    path.write_bytes(b"my diary" * 1000)
    with pytest.raises(ConfigurationError, match=r"index\.db"):
        opened()
    assert path.read_bytes() == b"my diary" * 1000


def test_a_database_of_another_program_is_rejected_and_not_changed(opened, path):
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program"):
        opened()
    assert path.read_bytes() == before


def test_a_damaged_file_is_reported(opened, path, put):
    index = opened()
    index.write([put(f"{number}") for number in range(2000)])
    index.close()
    data = bytearray(path.read_bytes())
    data[20_000:-1000] = b"\xff" * (len(data) - 21_000)
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match="is damaged"):
        opened().search(VectorQuery(EAST, 10))


def test_a_folder_that_cannot_be_created_is_reported(opened, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be created"):
        opened(file=tmp_path / "file" / "index.db")
    with pytest.raises((ConfigurationError, Unavailable)):
        opened(file=tmp_path)


def test_a_file_locked_by_another_program_is_unavailable(opened, path, put):
    index = opened(patience=0.1)
    index.write([put("a")])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        index.write([put("b")])
    assert len(index.search(VectorQuery(EAST, 10))) == 1
    connection.close()
    assert index.write([put("b")])[0].status is WriteStatus.WRITTEN
