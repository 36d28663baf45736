"""A change at a path concerns the file there, and all that is or was below a folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.index import EmbeddedIndex
from local.sync.watcher import changed_keys

Keys = Callable[..., list[str]]
Remember = Callable[..., None]


@pytest.fixture
def keys(folder: Path, store: FolderStore, index: EmbeddedIndex) -> Keys:
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


def test_a_folder_that_was_moved_in_stands_for_all_its_files(folder: Path, keys: Keys) -> None:
    touch(folder, "in/1.jpg", "in/deep/2.jpg", "in/.hidden.jpg", "out.jpg")
    assert keys("in") == ["in", "in/1.jpg", "in/deep/2.jpg"]


def test_a_folder_that_is_gone_stands_for_what_was_indexed_in_it(
    keys: Keys, remember: Remember
) -> None:
    remember("trip/1.jpg", "trip/deep/2.jpg", "trip-2/3.jpg", "tri.jpg")
    assert keys("trip") == ["trip", "trip/1.jpg", "trip/deep/2.jpg"]


def test_a_renamed_folder_concerns_old_and_new_keys(
    folder: Path, keys: Keys, remember: Remember
) -> None:
    remember("old/1.jpg")
    touch(folder, "new/1.jpg")
    assert keys("old", "new") == ["new", "new/1.jpg", "old", "old/1.jpg"]


def test_what_is_there_comes_before_what_is_gone(
    folder: Path, store: FolderStore, index: EmbeddedIndex, remember: Remember
) -> None:
    """A renamed image is embedded again unless its old record is there when it is looked at."""
    remember("a/1.jpg", "a/2.jpg", "c/was/3.jpg", "d.jpg")
    touch(folder, "b/1.jpg", "b/2.jpg", "c/is/3.jpg", "z.jpg")
    paths = [folder / name for name in ("a", "b", "c", "d.jpg", "z.jpg")]
    keys = [ref.key for ref in changed_keys(paths, store, index)]
    there = [(folder / key).exists() for key in keys]
    assert there == sorted(there, reverse=True)
    assert len(keys) == len(set(keys)) == 11


def test_a_file_in_the_place_of_a_folder_concerns_both(
    folder: Path, keys: Keys, remember: Remember
) -> None:
    remember("x.jpg/1.jpg")
    touch(folder, "x.jpg")
    assert keys("x.jpg") == ["x.jpg", "x.jpg/1.jpg"]


def test_many_deletions_below_a_folder_are_asked_about_once(keys: Keys, remember: Remember) -> None:
    remember("d/1.jpg", "d/2.jpg")
    assert keys("d", "d/1.jpg", "d/2.jpg", "d/unknown.jpg") == ["d", "d/1.jpg", "d/2.jpg"]


def test_hidden_paths_and_the_folder_itself_concern_nothing(folder: Path, keys: Keys) -> None:
    touch(folder, ".imagesearch/x.jpg", "a.jpg")
    assert keys(".imagesearch/x.jpg", ".imagesearch", ".", ".secret.jpg") == []
