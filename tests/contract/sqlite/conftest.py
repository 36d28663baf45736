"""An SQLite index file that is opened here and written by other processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from imagesearch.adapters.sqlite.index import SqliteIndex

WRITER = Path(__file__).with_name("writer.py")
NAME = "images-test"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "index.db"


@pytest.fixture
def opened(path):
    """Opens the file, and closes it after the test."""
    indexes = []

    def open_index(name=NAME, dimension=4, file=path, **more):
        indexes.append(SqliteIndex(file, name, dimension, **more))
        return indexes[-1]

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def start_writer(path):
    """Starts a writing process; `readline` blocks until a batch is written."""
    processes = []

    def start(writer="w", batch=10, batches=100_000, file_bytes=0):
        arguments = [str(path), NAME, writer, str(batch), str(batches), str(file_bytes)]
        process = subprocess.Popen(
            [sys.executable, WRITER, *arguments], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
