"""The watcher tells of every change, and says so itself when it may have missed one."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.watcher import FolderWatcher

from ...waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]


class Watched:
    """A watcher at work, and what it told; `fail` is raised once out of the next change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: set[str] = set()
        self.gaps = 0
        self.fail: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=FolderWatcher(folder, self._changed, self._gap).run, args=(self._stop,)
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


def test_the_first_gap_comes_when_the_watch_stands(watched: Watched) -> None:
    assert watched.gaps == 1
    assert watched.paths == set()


def test_a_new_a_changed_a_renamed_and_a_deleted_file_are_told(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    for name, change in {
        "new.jpg": lambda: (folder / "new.jpg").write_text("x"),
        "renamed.jpg": lambda: (folder / "new.jpg").rename(folder / "renamed.jpg"),
    }.items():
        change()
        eventually(f"{name} is told", lambda name=name: name in watched.paths)
    watched.paths.clear()
    (folder / "renamed.jpg").write_text("more")
    eventually("the change is told", lambda: "renamed.jpg" in watched.paths)
    watched.paths.clear()
    (folder / "renamed.jpg").unlink()
    eventually("the deletion is told", lambda: "renamed.jpg" in watched.paths)


def test_a_folder_moved_in_and_out_is_told(
    watched: Watched, folder: Path, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "1.jpg").touch()
    (tmp_path / "trip").rename(folder / "trip")
    eventually("the folder is told", lambda: "trip" in watched.paths)
    watched.paths.clear()
    (folder / "trip").rename(tmp_path / "trip")
    eventually("that it is gone is told", lambda: "trip" in watched.paths)


def test_hidden_files_are_not_told(watched: Watched, folder: Path, eventually: Eventually) -> None:
    (folder / ".imagesearch").mkdir()
    (folder / ".imagesearch" / "index.db").touch()
    (folder / ".partial.jpg").touch()
    (folder / "seen.jpg").touch()
    eventually("the other file is told", lambda: "seen.jpg" in watched.paths)
    assert watched.paths == {"seen.jpg"}


def test_an_error_means_a_gap_and_the_watch_goes_on(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    watched.fail = OSError("overflow")
    (folder / "lost.jpg").touch()
    eventually("a gap is told", lambda: watched.gaps >= 2)
    (folder / "next.jpg").touch()
    eventually("the next change is told", lambda: "next.jpg" in watched.paths)


def test_a_name_that_is_no_utf8_means_a_gap_and_the_watch_goes_on(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    try:
        (folder / "\udcff.jpg").touch()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    eventually("a gap is told", lambda: watched.gaps >= 2)
    (folder / "next.jpg").touch()
    eventually("the next change is told", lambda: "next.jpg" in watched.paths)


def test_a_folder_that_is_made_anew_is_watched_again(
    watched: Watched, folder: Path, eventually: Eventually
) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    eventually("a gap is told", lambda: watched.gaps >= 2)
    watched.paths.clear()
    (folder / "anew.jpg").touch()
    eventually("the new file is told", lambda: "anew.jpg" in watched.paths)


def test_a_folder_that_cannot_be_watched_is_a_gap(tmp_path: Path, eventually: Eventually) -> None:
    unwatchable = Watched(tmp_path / "nowhere")
    try:
        eventually("a gap is told", lambda: unwatchable.gaps)
    finally:
        unwatchable.stop()
