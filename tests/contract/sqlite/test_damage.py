"""Damage anywhere in an index file is found and repaired, and never returned as an answer."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.sqlite.damage import find_damage, repair
from imagesearch.adapters.sqlite.database import DamagedFile
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.adapters.sqlite.recovery import recover
from imagesearch.classification.label_records import set_record
from imagesearch.domain.filters import Not, NumberRange
from imagesearch.domain.images import Document, Neighbor, Scanned, Status
from imagesearch.domain.ports import Delete, Put
from imagesearch.domain.queries import Selection, VectorQuery

NAME = "images-test"
IMAGES = 60
# `CHAOS_FILES=1000` for a longer run.
FILES = int(os.environ.get("CHAOS_FILES", "40"))
EAST = np.array([1, 0, 0, 0], np.float32)
NOT_A_NUMBER = np.full(4, np.nan, "<f4").tobytes()
# Changes the bytes of a file.
Damage: TypeAlias = Callable[[bytearray], None]


class Original:
    """An intact index file, and the writes that made it. Its repr is short for Hypothesis."""

    def __init__(self, path: Path, writes: list[Put]) -> None:
        self.path = path
        self.writes = writes

    @property
    def answers(self) -> "Answers":
        documents = _by_key([each.document for each in self.writes])
        hits = (each.ref.key for each in documents if each.status is Status.INDEXED)
        return Answers((documents,) * 5, frozenset(hits))


@pytest.fixture
def original(
    tmp_path: Path, put: Callable[..., Put], document: Callable[..., Document]
) -> Original:
    images = [
        put(
            f"{number % 7}/{number:03}.jpg",
            number,
            sha256=f"{number:064x}",
            width=100 + number,
            taken_at=document().indexed_at,
            miniature="m" * 300,
            neighbors=(Neighbor("i" * 24, "s" * 64, 0.9, 0.9),),
        )
        for number in range(IMAGES)
    ]
    bad = Put(document("bad", status=Status.REJECTED, reason="broken"), None, None)
    index = SqliteIndex(tmp_path / "index.db", NAME, 4)
    index.write([*images, bad, Delete(put("gone").ref, None)])
    index.close()
    return Original(tmp_path / "index.db", [*images, bad])


@dataclass(frozen=True)
class Answers:
    """What an index returns: the documents by each method in the order of keys, and all hits."""

    documents: tuple[tuple[Document, ...], ...]
    hits: frozenset[str]

    @classmethod
    def of(cls, index: SqliteIndex, writes: list[Put]) -> "Answers":
        """The answers of an index; other methods are called, and must not fail."""
        stored = index.get([each.ref.id for each in writes]).values()
        selection = Selection(filter=Not(NumberRange("width", gte=999)))
        found = (
            [each.document for each in stored if each.document],
            index.list_documents(limit=999),
            index.list_by_time(newest_first=True, limit=999),
            index.list_documents(selection, limit=999),
            [each.document for each in index.scan(embeddings=True)],
        )
        hits = frozenset(hit.document.ref.key for hit in index.search(VectorQuery(EAST, 999)))
        index.facets()
        index.collections(depth=2, limit=99)
        list(index.linked())
        list(index.list_entries())
        index.by_sha256([each.document.sha256 or "" for each in writes], "decoder 1")
        assert index.health().name == NAME
        return cls(tuple(_by_key(documents) for documents in found), hits)


def _by_key(documents: list[Document]) -> tuple[Document, ...]:
    return tuple(sorted(documents, key=lambda each: each.ref.key))


def flip(*places: tuple[float, int]) -> Damage:
    """Flip bits, each at a place between 0 and 1 of the file."""

    def change(data: bytearray) -> None:
        for place, bit in places:
            data[int(place * len(data))] ^= 1 << bit

    return change


def overwrite(place: float, byte: int) -> Damage:
    """Overwrite a sector."""

    def change(data: bytearray) -> None:
        start = int(place * len(data)) // 512 * 512
        data[start : start + 512] = bytes([byte]) * len(data[start : start + 512])

    return change


def truncate(place: float) -> Damage:
    """Remove the end of the file."""
    return lambda data: data.__delitem__(slice(max(1, int(place * len(data))), None))


places = st.floats(0, 1, exclude_max=True)
bits = st.tuples(places, st.integers(0, 7))
damages: st.SearchStrategy[Damage] = st.one_of(
    st.lists(bits, min_size=1, max_size=3).map(lambda each: flip(*each)),
    st.builds(flip, bits),
    st.builds(overwrite, places, st.integers(0, 255)),
    st.builds(truncate, places),
)


@settings(max_examples=FILES, deadline=None, suppress_health_check=list(HealthCheck))
@given(damage=damages)
def test_damage_anywhere_is_found_and_repaired_and_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, original: Original, damage: Damage
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "index.db"
    content = bytearray(original.path.read_bytes())
    damage(content)
    path.write_bytes(content)

    answers = None
    try:
        with closing(SqliteIndex(path, NAME, 4)) as index:
            answers = Answers.of(index, original.writes)
    except DamagedFile:
        pass
    if answers:
        intact = original.answers.documents[0]
        assert all(each in intact for documents in answers.documents for each in documents)
        assert answers.hits <= original.answers.hits
    if not list(find_damage(path, NAME, 4)):
        assert answers == original.answers
        return

    repair(path, NAME, 4)
    assert list(find_damage(path, NAME, 4)) == []
    with closing(SqliteIndex(path, NAME, 4)) as index:
        stored = index.get([each.ref.id for each in original.writes])
        for each in original.writes:
            known = stored.get(each.ref.id)
            if known is None or known.document is None:
                index.write([replace(each, expected=known.version if known else None)])
        assert Answers.of(index, original.writes) == original.answers


header_bits = st.tuples(st.integers(0, 99), st.integers(0, 7))


@settings(max_examples=FILES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    flips=st.lists(header_bits, min_size=1, max_size=4),
    overwritten=st.sampled_from((0, 0, 16, 24)),
)
def test_a_damaged_header_loses_no_image(
    tmp_path_factory: pytest.TempPathFactory,
    original: Original,
    flips: list[tuple[int, int]],
    overwritten: int,
) -> None:
    """Nothing is indexed again, and the damaged file is kept as it was."""
    path = tmp_path_factory.mktemp("damaged") / "index.db"
    content = bytearray(original.path.read_bytes())
    content[:overwritten] = b"x" * overwritten
    for at, bit in flips:
        content[at] ^= 1 << bit
    path.write_bytes(content)
    recovery = None
    if list(find_damage(path, NAME, 4)):
        recovery = repair(path, NAME, 4)
    with closing(SqliteIndex(path, NAME, 4)) as index:
        assert Answers.of(index, original.writes) == original.answers
    assert recovery is None or recovery.images == len(original.writes)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("vector", NOT_A_NUMBER, "its vector is damaged"),
        ("vector", bytes(16), "its vector is damaged"),
        ("vector", bytes(12), "its vector has not 4 numbers"),
        ("vector", None, "its vector has not 4 numbers"),
        ("record", "{}", "its record cannot be read"),
        ("key", "z", "its record is that of another image"),
        ("record_crc", 7, "its record is damaged"),
    ],
)
def test_a_damaged_row_is_absent_until_its_image_is_indexed_again(
    original: Original, column: str, value: object, reason: str
) -> None:
    path, writes = original.path, original.writes
    with sqlite3.connect(path) as database:
        update = f'UPDATE "{NAME}" SET {column} = ? WHERE id = ?'  # noqa: S608
        database.execute(update, (value, writes[0].ref.id))
    database.close()
    assert [each.reason for each in find_damage(path, NAME, 4)] == [reason]
    index = SqliteIndex(path, NAME, 4)
    [stored] = index.get([writes[0].ref.id]).values()
    assert stored.document is None
    assert len(index.search(VectorQuery(EAST, 999))) == IMAGES - 1
    assert index.health().damaged == 1
    index.write([replace(writes[0], expected=stored.version)])
    assert len(index.search(VectorQuery(EAST, 999))) == IMAGES
    assert index.health().damaged == 0
    assert list(find_damage(path, NAME, 4)) == []
    index.close()


def test_an_open_index_reads_and_writes_the_recovered_file(
    original: Original, put: Callable[..., Put]
) -> None:
    """Such as a server, while `imagesearch verify --repair` runs."""
    path, writes = original.path, original.writes
    index = SqliteIndex(path, NAME, 4)
    assert len(index.search(VectorQuery(EAST, 999))) == IMAGES
    recovery = recover(path, NAME, 4)
    assert recovery.images == len(writes)
    assert recovery.set_aside.is_file()
    index.write([put("new")])
    assert len(index.search(VectorQuery(EAST, 999))) == IMAGES + 1
    index.close()
    other = SqliteIndex(path, NAME, 4)
    assert other.health().images == IMAGES + 1
    other.close()


def test_an_index_of_a_release_without_checksums_is_adopted(
    original: Original,
) -> None:
    """Nothing is indexed again, apart from what is damaged."""
    path, writes = original.path, original.writes
    with sqlite3.connect(path) as database:
        database.execute(f'DROP INDEX "{NAME}_without_crc"')
        for column in ("record_crc", "vector_crc"):
            database.execute(f'ALTER TABLE "{NAME}" DROP COLUMN {column}')
        update = f'UPDATE "{NAME}" SET vector = ? WHERE key = ?'  # noqa: S608
        database.execute(update, (NOT_A_NUMBER, "0/000.jpg"))
    database.close()
    index = SqliteIndex(path, NAME, 4)
    stored = index.get([each.ref.id for each in writes])
    assert [stored[each.ref.id].document for each in writes[1:]] == [
        each.document for each in writes[1:]
    ]
    assert stored[writes[0].ref.id].document is None
    index.close()
    [found] = find_damage(path, NAME, 4)
    assert found.key == "0/000.jpg"
    with sqlite3.connect(path) as database:
        unchecked = f'SELECT count(*) FROM "{NAME}" WHERE record_crc IS NULL'  # noqa: S608
        assert database.execute(unchecked).fetchall() == [(0,)]
    database.close()


@pytest.fixture
def labels(tmp_path: Path) -> Original:
    """A label set, whose record has no vector."""
    index = SqliteIndex(tmp_path / "index.db", NAME, 4)
    record = set_record("pets", "generation", "model", datetime(2026, 1, 5, tzinfo=UTC))
    index.write([written := Put(record, None, None)])
    index.close()
    return Original(tmp_path / "index.db", [written])


def test_label_sets_of_a_release_without_checksums_are_adopted(labels: Original) -> None:
    with sqlite3.connect(labels.path) as database:
        database.execute(f'UPDATE "{NAME}" SET record_crc = NULL, vector_crc = NULL')  # noqa: S608
    database.close()
    assert list(find_damage(labels.path, NAME, 4)) == []
    with closing(SqliteIndex(labels.path, NAME, 4)) as index:
        assert list(index.scan()) == [Scanned(labels.writes[0].document, None)]


def test_label_sets_are_copied_to_the_recovered_file(labels: Original) -> None:
    assert recover(labels.path, NAME, 4).images == 1
    with closing(SqliteIndex(labels.path, NAME, 4)) as index:
        assert list(index.scan()) == [Scanned(labels.writes[0].document, None)]
