"""An SQLite index shared by processes and threads, whose writers can be killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle

import numpy as np

from imagesearch.adapters.sqlite import header, open_files
from imagesearch.adapters.sqlite.content_lookup import SqliteContentLookup
from imagesearch.adapters.sqlite.damage import find_damage
from imagesearch.adapters.sqlite.header import is_valid_header
from imagesearch.adapters.sqlite.recovery import recover
from imagesearch.domain.filters import KeyPrefix, MetadataContains, MetadataOneOf
from imagesearch.domain.ports import Delete, WriteStatus
from imagesearch.domain.queries import Selection, VectorQuery
from tests.contract.sqlite.conftest import NAME
from tests.support.waiting import PATIENCE_SECONDS

# `CHAOS_KILLS=200` for the figure in docs/reliability.md.
KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
EAST = np.array([1, 0, 0, 0], np.float32)


def test_a_reader_immediately_sees_writes_of_another_process(opened, start_writer):
    writer = start_writer(batches=30)
    reader = None
    for line in writer.stdout:
        reader = reader or opened()
        assert len(reader.search(VectorQuery(EAST, 1000))) >= int(line)
    assert len(reader.search(VectorQuery(EAST, 1000))) == 300


def test_a_reader_sees_deletions_of_another_process(opened, put):
    writer, reader = opened(), opened()
    writer.write([put("a"), put("b")])
    assert len(reader.search(VectorQuery(EAST, 10))) == 2
    version = writer.get([put("a").ref.id])[put("a").ref.id].version
    writer.write([Delete(put("a").ref, version)])
    assert [hit.document.ref.key for hit in reader.search(VectorQuery(EAST, 10))] == ["b"]


READ = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"


def test_writes_reach_other_processes_after_the_file_is_opened_again_and_closed(opened, path, put):
    """A process that closes a file otherwise than by SQLite would lose its locks on it."""
    index = opened()
    count = f'SELECT count(*) FROM "{NAME}"'  # noqa: S608 - a constant
    for number in range(3):
        index.write([put(f"{number}")])
        opened().close()
        # The last process that closes the file deletes the log; it is the last if no other locks.
        read = [sys.executable, "-c", READ, str(path), count]
        assert int(subprocess.check_output(read)) == number + 1


def test_a_header_that_is_read_while_the_file_is_open_loses_no_lock(opened, path, put):
    """As by a recovery in a server; else another process deletes the log that this one writes."""
    index = opened()
    count = f'SELECT count(*) FROM "{NAME}"'  # noqa: S608 - a constant
    for number in range(3):
        is_valid_header(path)
        index.write([put(f"{number}")])
        read = [sys.executable, "-c", READ, str(path), count]
        assert int(subprocess.check_output(read)) == number + 1


def test_a_file_that_is_replaced_while_it_is_read_loses_no_lock(opened, path):
    """The first file is still open by SQLite, and its descriptor that was read too."""
    index = opened()
    with open_files.reading(path) as file:
        path.rename(path.with_name("renamed.db"))
        path.touch()
    assert not file.closed
    index.close()
    assert file.closed


def test_a_file_that_grows_while_its_header_is_read_is_intact(opened, path, monkeypatch):
    """Other processes write it, and close it: there is no log before and after."""
    opened().close()
    times = iter(range(3))

    @contextmanager
    def reading(path):
        with open_files.reading(path) as file:
            yield file
        if next(times, None) is not None:
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE IF NOT EXISTS other (data)")
                other.execute("INSERT INTO other VALUES (zeroblob(100000))")
                other.commit()

    monkeypatch.setattr(header, "reading", reading)
    assert is_valid_header(path)
    assert next(times, None) is None


def test_a_lookup_in_another_folder_keeps_its_locks(opened, path, put, start_writer):
    """Also while the same process opens that folder's index, whose header is read."""
    index = opened()
    index.write([put("a", sha256="a" * 64)])
    content = SqliteContentLookup(path, NAME, 4)
    assert content.by_sha256(["a" * 64], "decoder 1")
    index.close()
    opened().close()
    for name in ("one", "two"):
        assert start_writer(name, batches=1).wait(PATIENCE_SECONDS) == 0
        hashes = f'SELECT count(*) FROM "{NAME}"'  # noqa: S608 - a constant
        assert content._connection.execute(hashes).fetchone() == (11 if name == "one" else 21,)
    content.close()


def test_a_recovery_loses_no_write_of_another_process(opened, path, start_writer):
    opened().close()
    writer = start_writer(batches=60)
    acknowledged = 0
    while acknowledged < 600:
        acknowledged = int(writer.stdout.readline())
        if acknowledged % 50 == 0:
            recovered = recover(path, NAME, 4)
            assert recovered.images >= acknowledged
    assert writer.wait(PATIENCE_SECONDS) == 0
    assert opened().health().images == 600


def test_several_processes_can_create_and_fill_one_file(opened, start_writer):
    writers = [start_writer(f"w{number}", batches=40) for number in range(4)]
    assert [writer.wait(PATIENCE_SECONDS) for writer in writers] == [0] * 4
    assert opened().health().images == 4 * 400


def test_a_process_killed_during_a_write_loses_complete_batches_only(opened, path, start_writer):
    """Another process writes at the same time."""
    images = 0
    for attempt in range(KILLS):
        other = start_writer(f"other{attempt}", batch=5, batches=20)
        writer = start_writer(f"w{attempt}", batch=50)
        for _ in range(1 + attempt % 5):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert other.wait(PATIENCE_SECONDS) == 0
        index = opened()
        keys = index.list_documents(Selection(collection=f"w{attempt}"), limit=1_000_000)
        assert len(keys) % 50 == 0
        assert len(keys) >= acknowledged
        images += len(keys) + 100
        assert index.health().images == images
        index.close()
    assert len(opened().search(VectorQuery(EAST, 1_000_000))) == images
    assert list(find_damage(path, NAME, 4)) == []


def test_a_full_disk_loses_no_written_batch(opened, path, start_writer):
    writer = start_writer(batch=20, file_bytes=1_000_000)
    *written, error = writer.stdout.read().splitlines()
    assert writer.wait(PATIENCE_SECONDS) == 0
    assert str(path) in error
    assert "check free disk space" in error
    index = opened()
    assert index.health().images == int(written[-1]) > 0
    assert list(find_damage(path, NAME, 4)) == []
    assert start_writer("later", batch=20, batches=3).wait(PATIENCE_SECONDS) == 0
    assert index.health().images == int(written[-1]) + 60


def test_the_file_of_a_killed_writer_is_valid_and_writable(opened, path, start_writer, put):
    writer = start_writer(batch=50)
    writer.stdout.readline()
    writer.kill()
    writer.wait()
    (result,) = opened().write([put("other/1")])
    assert result.status is WriteStatus.WRITTEN
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_threads_search_while_others_write(opened, put):
    index, failures, done = opened(), [], threading.Event()

    def search():
        while not done.is_set():
            scores = [hit.score for hit in index.search(VectorQuery(EAST, 50))]
            if scores != sorted(scores, reverse=True):
                failures.append(scores)

    def search_filtered():
        """Each with a column of its own; an image has the value of its place."""
        for place in cycle(range(20)):
            if done.is_set():
                return
            filter = MetadataOneOf("place", (str(place),)) if place % 2 else KeyPrefix(f"{place}-")
            hits = index.search(VectorQuery(EAST, 50, filter=filter))
            wrong = [
                hit
                for hit in hits
                if (place % 2 and hit.document.metadata != {"place": str(place)})
                or (place % 2 == 0 and not hit.document.ref.key.startswith(f"{place}-"))
            ]
            failures.extend(wrong)

    readers = [threading.Thread(target=each) for each in (search, search_filtered) * 2]
    for reader in readers:
        reader.start()
    for number in range(60):
        index.write(
            [put(f"{number}-{place}", place, metadata={"place": str(place)}) for place in range(20)]
        )
    done.set()
    for reader in readers:
        reader.join(PATIENCE_SECONDS)
    assert failures == []
    assert len(index.search(VectorQuery(EAST, 2000))) == 1200
    assert len(index.search(VectorQuery(EAST, 2000, filter=MetadataOneOf("place", ("7",))))) == 60


def test_a_search_does_not_wait_for_the_filter_of_another(opened, put):
    index, filtering, ended = opened(), threading.Event(), threading.Event()
    index.write([put("cats/1", metadata={"title": "a cat"})])

    class Slow(tuple):
        def __iter__(self):
            filtering.set()
            assert ended.wait(PATIENCE_SECONDS)
            return super().__iter__()

    query = VectorQuery(EAST, 5, filter=MetadataContains("title", Slow(["cat"])))
    with ThreadPoolExecutor(1) as threads:
        filtered = threads.submit(index.search, query)
        assert filtering.wait(PATIENCE_SECONDS)
        found = index.search(VectorQuery(EAST, 5))
        assert not filtered.done()
        ended.set()
        assert [hit.document for hit in filtered.result()] == [hit.document for hit in found]
