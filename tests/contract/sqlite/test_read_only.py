"""A read-only SQLite index is searchable; a write reports the reason."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from imagesearch.adapters.sqlite.database import index_dimensions
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.errors import ConfigurationError, Unavailable
from imagesearch.domain.ports import Put
from imagesearch.domain.queries import VectorQuery

EAST = np.array([1, 0, 0, 0], np.float32)
NOBODY = 65534
Open = Callable[..., SqliteIndex]


@pytest.fixture
def path() -> Iterator[Path]:
    """A file in a folder that every user can read; the folders of pytest are private."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made) / "an index?.db"


@pytest.fixture
def lock(path: Path) -> Iterator[Callable[[], None]]:
    """Makes the file and its folder read-only, also for root."""
    user = os.geteuid()

    def read_only() -> None:
        for place in path.parent.iterdir():
            place.chmod(0o444)
        path.parent.chmod(0o555)
        if user == 0:
            os.seteuid(NOBODY)

    yield read_only
    os.seteuid(user)
    path.parent.chmod(0o755)


@pytest.fixture
def filled(opened: Open, put: Callable[..., Put], lock: Callable[[], None]) -> None:
    index = opened()
    index.write([put("a/1.jpg"), put("a/2.jpg", 30)])
    index.close()
    lock()


@pytest.mark.usefixtures("filled")
def test_a_read_only_index_is_searched(opened: Open, path: Path) -> None:
    index = opened()
    hits = index.search(VectorQuery(EAST, 10))
    assert [hit.document.ref.key for hit in hits] == ["a/1.jpg", "a/2.jpg"]
    assert index.health().images == 2
    assert len(list(index.scan())) == 2
    assert list(index_dimensions(path).values()) == [4]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("filled")
def test_a_write_reports_that_the_file_is_read_only(opened: Open, put: Callable[..., Put]) -> None:
    with pytest.raises(Unavailable, match="is read-only here"):
        opened().write([put("b.jpg")])


@pytest.mark.usefixtures("filled")
def test_a_read_only_file_without_the_index_of_the_model_is_an_error(opened: Open) -> None:
    with pytest.raises(ConfigurationError, match="read-only and has no index for this model"):
        opened("images-other")


def test_a_read_only_reader_includes_the_write_ahead_log(
    opened: Open, path: Path, put: Callable[..., Put], lock: Callable[[], None]
) -> None:
    index = opened()
    index.write([put("a.jpg")])
    assert path.with_name(path.name + "-wal").stat().st_size > 0
    lock()
    assert opened().health().images == 1


def test_a_database_of_another_program_is_rejected(
    opened: Open, path: Path, lock: Callable[[], None]
) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    lock()
    with pytest.raises(ConfigurationError, match="another program"):
        opened()
