"""Lookup by content in the index file of another folder, which is opened read-only."""

import sqlite3
from contextlib import closing

import pytest

from imagesearch.adapters.sqlite.content_lookup import BY_CONTENT, SqliteContentLookup
from imagesearch.adapters.sqlite.schema import SCHEMA_VERSION
from imagesearch.domain.errors import Unavailable

A, B = "a" * 64, "b" * 64
NAME = "images-test"


@pytest.fixture
def look_up(path):
    """The keys found in the file."""
    opened = []

    def look_up(*hashes, name=NAME, dimension=4):
        opened.append(SqliteContentLookup(path, name, dimension))
        found = opened[-1].by_sha256(hashes, "decoder 1")
        return [scanned.document.ref.key for scanned in found.values()]

    yield look_up
    for one in opened:
        one.close()


def change(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_an_image_of_another_folder_is_found(opened, put, look_up):
    opened().write([put("a.jpg", sha256=A)])
    assert look_up(A, B) == ["a.jpg"]


def test_an_image_written_later_is_found(opened, put, path):
    index, content = opened(), SqliteContentLookup(path, NAME, 4)
    assert content.by_sha256([A], "decoder 1") == {}
    index.write([put("a.jpg", sha256=A)])
    assert content.by_sha256([A], "decoder 1").keys() == {A}
    content.close()


def test_a_file_without_an_open_connection_is_read_and_not_changed(opened, put, look_up, path):
    index = opened()
    index.write([put("a.jpg", sha256=A)])
    index.close()
    before = path.read_bytes()
    assert look_up(A) == ["a.jpg"]
    assert path.read_bytes() == before


def test_an_index_of_another_model_is_not_a_source(opened, put, look_up):
    opened().write([put("a.jpg", sha256=A)])
    assert look_up(A, name="images-other") == []
    assert look_up(A, dimension=8) == []


def test_a_missing_file_is_not_a_source_and_is_not_created(look_up, path):
    assert look_up(A) == []
    assert not path.parent.exists()


def test_a_database_of_another_program_is_not_a_source(look_up, path):
    path.parent.mkdir()
    change(path, "CREATE TABLE recipes (name TEXT)")
    assert look_up(A) == []


def test_a_file_of_an_older_or_newer_release_is_not_a_source(opened, put, look_up, path):
    index = opened()
    index.write([put("a.jpg", sha256=A)])
    index.close()
    change(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert look_up(A) == []
    change(path, f"PRAGMA user_version = {SCHEMA_VERSION}")
    assert look_up(A) == ["a.jpg"]
    change(path, f'DROP INDEX "{NAME}_by_content"')
    assert look_up(A) == []


def test_a_file_that_is_not_a_database_is_reported(look_up, path):
    path.parent.mkdir()
    path.write_bytes(b"my diary" * 1000)
    with pytest.raises(Unavailable, match=r"index\.db"):
        look_up(A)


def test_opening_an_index_of_an_older_release_adds_the_lookup(opened, put, path):
    """The records do not change, and no image is indexed again."""
    index = opened()
    index.write([put("a.jpg", sha256=A), put("b.jpg", sha256=B)])
    before = index.get([put("a.jpg").ref.id])
    index.close()
    change(path, f'DROP INDEX "{NAME}_by_content"')
    newer = opened()
    assert newer.by_sha256([A, B], "decoder 1").keys() == {A, B}
    assert newer.get([put("a.jpg").ref.id]) == before
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    assert (f"{NAME}_by_content",) in names


def test_a_lookup_reads_only_the_database_index(opened):
    """The cost does not depend on the number of records or of copies."""
    database = opened()._database
    with database.reading() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {database.sql(BY_CONTENT)}", ("[]", "d"))
        steps = [row[3] for row in plan.fetchall()]
    assert any(f"USING INDEX {NAME}_by_content" in step for step in steps)
    assert not any(step.startswith(f"SCAN {NAME}") for step in steps)
