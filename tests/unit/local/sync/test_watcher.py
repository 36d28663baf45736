"""The watcher reports every change, and a gap when it can have missed one.

A change of a path concerns its file, and all present and indexed files below a folder.
"""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document
from local.sync import watcher
from local.sync.watcher import FolderWatcher, changed_keys
from tests.support.waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]


class Watched:
    """A running watcher and its reports; the next change raises `fail` once."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.paths: set[str] = set()
        self.gaps = 0
        self.fail: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=FolderWatcher(folder, self._changed, self._gap, **options).run,
            args=(self._stop,),
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _changed(self, paths: set[Path]) -> None:
        if self.fail:
            error, self.fail = self.fail, None
            raise error
        self.paths |= {path.relative_to(self.folder).as_posix() for path in paths}

    def _gap(self) -> None:
        self.gaps += 1


@pytest.fixture
def watched(folder: Path, eventually: Eventually) -> Iterator[Watched]:
    made = Watched(folder)
    eventually("the watch stands", lambda: made.gaps == 1)
    yield made
    made.stop()


def test_the_first_gap_is_reported_when_the_watch_is_ready(watched: Watched) -> None:
    assert watched.gaps == 1
    assert watched.paths == set()


def test_new_changed_renamed_and_deleted_files_are_reported(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    for name, change in {
        "new.jpg": lambda: (folder / "new.jpg").write_text("x"),
        "renamed.jpg": lambda: (folder / "new.jpg").rename(folder / "renamed.jpg"),
    }.items():
        change()
        eventually(f"{name} is reported", lambda name=name: name in watched.paths)
    watched.paths.clear()
    (folder / "renamed.jpg").write_text("more")
    eventually("the change is reported", lambda: "renamed.jpg" in watched.paths)
    watched.paths.clear()
    (folder / "renamed.jpg").unlink()
    eventually("the deletion is reported", lambda: "renamed.jpg" in watched.paths)


def test_a_folder_moved_in_and_out_is_reported(
    watched: Watched, folder: Path, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "1.jpg").touch()
    (tmp_path / "trip").rename(folder / "trip")
    eventually("the folder is reported", lambda: "trip" in watched.paths)
    watched.paths.clear()
    (folder / "trip").rename(tmp_path / "trip")
    eventually("the deletion is reported", lambda: "trip" in watched.paths)


def test_hidden_files_are_not_reported(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    (folder / ".imagesearch").mkdir()
    (folder / ".imagesearch" / "index.db").touch()
    (folder / ".partial.jpg").touch()
    (folder / "seen.jpg").touch()
    eventually("the other file is reported", lambda: "seen.jpg" in watched.paths)
    assert watched.paths == {"seen.jpg"}


def test_an_error_reports_a_gap_and_the_watch_continues(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    watched.fail = OSError("overflow")
    (folder / "lost.jpg").touch()
    eventually("a gap is reported", lambda: watched.gaps >= 2)
    (folder / "next.jpg").touch()
    eventually("the next change is reported", lambda: "next.jpg" in watched.paths)


def test_a_name_that_is_not_utf8_reports_a_gap_and_the_watch_continues(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    try:
        (folder / "\udcff.jpg").touch()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    eventually("a gap is reported", lambda: watched.gaps >= 2)
    (folder / "next.jpg").touch()
    eventually("the next change is reported", lambda: "next.jpg" in watched.paths)


def test_a_recreated_folder_is_watched_again(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    eventually("a gap is reported", lambda: watched.gaps >= 2)
    watched.paths.clear()
    (folder / "anew.jpg").touch()
    eventually("the new file is reported", lambda: "anew.jpg" in watched.paths)


def test_a_folder_that_cannot_be_watched_reports_a_gap(
    tmp_path: Path, eventually: Eventually
) -> None:
    unwatchable = Watched(tmp_path / "nowhere")
    try:
        eventually("a gap is reported", lambda: unwatchable.gaps)
    finally:
        unwatchable.stop()


def states(folder: Path) -> Callable[[], dict[Path, str]]:
    def states() -> dict[Path, str]:
        found = {}
        for path in folder.rglob("*.jpg"):
            with suppress(FileNotFoundError):  # The test has deleted it meanwhile.
                found[path] = path.read_text()
        return found

    return states


# Messages of watchfiles 1.3.0 on Linux.
REFUSALS = {
    "fs.inotify.max_user_watches": OSError("OS file watch limit reached. about [...]"),
    "fs.inotify.max_user_instances": RuntimeError(
        "Error creating recommended watcher: Too many open files (os error 24)"
    ),
    "a subfolder is not readable": PermissionError("Permission denied (os error 13) about"),
}


@pytest.mark.parametrize("meaning", REFUSALS)
def test_an_unwatchable_folder_is_polled_and_the_reason_is_logged(
    folder: Path,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    meaning: str,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise REFUSALS[meaning]

    monkeypatch.setattr(watcher, "watch", refuse)
    (folder / "before.jpg").write_text("1")
    polled = Watched(folder, files=states(folder))
    try:
        eventually("the folder is rescanned", lambda: polled.gaps == 1)
        (folder / "new.jpg").write_text("1")
        eventually("the new file is reported", lambda: polled.paths == {"new.jpg"})
        (folder / "new.jpg").write_text("2")
        (folder / "before.jpg").unlink()
        eventually("both are reported", lambda: polled.paths == {"new.jpg", "before.jpg"})
        assert polled.gaps == 1
    finally:
        polled.stop()
    [line] = [record.getMessage() for record in caplog.records]
    assert meaning in line
    assert "polled every few seconds" in line


def test_a_folder_without_permission_does_not_affect_the_watch_of_others(
    folder: Path, eventually: Eventually
) -> None:
    """Changes in the other folders are reported, for root and for other users."""
    for name in ("a", "b", "locked", "x", "y", "z"):
        (folder / name).mkdir()
    (folder / "locked").chmod(0)
    watched = Watched(folder, files=states(folder))
    try:
        eventually("the folder is rescanned", lambda: watched.gaps)
        made = {f"{name}/1.jpg" for name in "abxyz"}
        for path in made:
            (folder / path).write_text("1")
        eventually("every file is reported", lambda: made <= watched.paths)
    finally:
        watched.stop()
        (folder / "locked").chmod(0o755)


def test_the_watch_is_restarted_when_another_disk_is_mounted(
    folder: Path, eventually: Eventually
) -> None:
    places = ["first disk"]
    watched = Watched(folder, identity=lambda: places[0])
    try:
        eventually("the watch stands", lambda: watched.gaps == 1)
        places[0] = "second disk"
        eventually("a gap is reported", lambda: watched.gaps == 2)
        (folder / "new.jpg").touch()
        eventually("the new file is reported", lambda: "new.jpg" in watched.paths)
    finally:
        watched.stop()


def test_a_folder_omitted_by_watchfiles_reports_a_gap(
    watched: Watched, folder: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of watches, watchfiles does not report folders created later."""
    monkeypatch.setattr(watcher, "_watched_inodes", frozenset)
    (folder / "sub").mkdir()
    eventually("a gap is reported", lambda: watched.gaps >= 2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is watched")
def test_watched_folders_are_known(watched: Watched, folder: Path, eventually: Eventually) -> None:
    (folder / "sub").mkdir()
    eventually("the new folder is watched", lambda: watcher._unwatched([folder / "sub"]) == [])
    assert watcher._unwatched([folder, folder / "gone"]) == []
    assert watcher._unwatched([Path("/")]) == [Path("/")]


Keys = Callable[..., list[str]]
AddRecords = Callable[..., None]


@pytest.fixture
def keys(folder: Path, store: FolderStore, index: SqliteIndex) -> Keys:
    def at(*paths: str) -> list[str]:
        refs = changed_keys([folder / path for path in paths], store, index)
        return sorted(ref.key for ref in refs)

    return at


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_file_is_its_own_key(folder: Path, keys: Keys) -> None:
    touch(folder, "a/b.jpg")
    assert keys("a/b.jpg") == ["a/b.jpg"]


def test_a_deleted_file_is_its_own_key(keys: Keys) -> None:
    assert keys("gone.jpg") == ["gone.jpg"]


def test_a_folder_that_was_moved_in_expands_to_all_its_files(folder: Path, keys: Keys) -> None:
    touch(folder, "in/1.jpg", "in/deep/2.jpg", "in/.hidden.jpg", "out.jpg")
    assert keys("in") == ["in", "in/1.jpg", "in/deep/2.jpg"]


def test_a_missing_folder_expands_to_its_indexed_keys(keys: Keys, add_records: AddRecords) -> None:
    add_records("trip/1.jpg", "trip/deep/2.jpg", "trip-2/3.jpg", "tri.jpg")
    assert keys("trip") == ["trip", "trip/1.jpg", "trip/deep/2.jpg"]


def test_a_changed_file_reads_no_record_of_other_files(
    keys: Keys, add_records: AddRecords, index: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the cost of a burst of changes would grow with the library."""
    add_records(*(f"a/{number}.jpg" for number in range(20)))
    read: list[Document] = []

    def counted(*given: Any, **named: Any) -> list[Document]:
        read.extend(found := SqliteIndex.list_documents(index, *given, **named))
        return found

    monkeypatch.setattr(index, "list_documents", counted)
    assert keys("a/3.jpg", "a/4.jpg") == ["a/3.jpg", "a/4.jpg"]
    assert read == []


def test_a_renamed_folder_concerns_old_and_new_keys(
    folder: Path, keys: Keys, add_records: AddRecords
) -> None:
    add_records("old/1.jpg")
    touch(folder, "new/1.jpg")
    assert keys("old", "new") == ["new", "new/1.jpg", "old", "old/1.jpg"]


def test_existing_files_are_reported_before_deleted_ones(
    folder: Path, store: FolderStore, index: SqliteIndex, add_records: AddRecords
) -> None:
    """A renamed image is embedded again unless its old record exists when it is processed."""
    add_records("a/1.jpg", "a/2.jpg", "c/was/3.jpg", "d.jpg")
    touch(folder, "b/1.jpg", "b/2.jpg", "c/is/3.jpg", "z.jpg")
    paths = [folder / name for name in ("a", "b", "c", "d.jpg", "z.jpg")]
    keys = [ref.key for ref in changed_keys(paths, store, index)]
    existing = [(folder / key).exists() for key in keys]
    assert existing == sorted(existing, reverse=True)
    assert len(keys) == len(set(keys)) == 11


def test_a_file_that_replaces_a_folder_concerns_both(
    folder: Path, keys: Keys, add_records: AddRecords
) -> None:
    add_records("x.jpg/1.jpg")
    touch(folder, "x.jpg")
    assert keys("x.jpg") == ["x.jpg", "x.jpg/1.jpg"]


def test_many_deletions_below_a_folder_cause_one_query(keys: Keys, add_records: AddRecords) -> None:
    add_records("d/1.jpg", "d/2.jpg")
    assert keys("d", "d/1.jpg", "d/2.jpg", "d/unknown.jpg") == ["d", "d/1.jpg", "d/2.jpg"]


def test_hidden_paths_and_the_folder_itself_are_ignored(folder: Path, keys: Keys) -> None:
    touch(folder, ".imagesearch/x.jpg", "a.jpg")
    assert keys(".imagesearch/x.jpg", ".imagesearch", ".", ".secret.jpg") == []
