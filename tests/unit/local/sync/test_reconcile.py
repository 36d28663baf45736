"""Claims: records of deleted files are deleted, those of unreachable files are kept.

Also: the duplicates of images are linked while further images are embedded.
"""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem import image_store, walk
from imagesearch.adapters.filesystem.mounts import MountPoint
from imagesearch.domain.errors import Unreachable
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.sync.mount_points import load_mount_points, save_mount_points
from local.sync.reconcile import CHUNK_KEYS, reconcile
from tests.support.fakes import picture
from tests.unit.local.conftest import FilesystemFaults, Library

PATIENCE_SECONDS = 300.0
INDEXED, DELETED, UNCHANGED = OutcomeKind.INDEXED, OutcomeKind.DELETED, OutcomeKind.UNCHANGED


@pytest.fixture
def filled(library: Library) -> Library:
    """An indexed folder with images in it and in two subfolders."""
    for key in ("a.png", "disk/1.png", "disk/deep/2.png", "other/3.png"):
        path = library.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(key))
    assert library.run().counts == {INDEXED: 4}
    return library


def run_result(library: Library, **options: bool) -> tuple[dict[OutcomeKind, int], list[str], bool]:
    report = library.run(**options)
    return dict(report.counts), report.lines(), report.complete


def unmount(folder: Path) -> None:
    """Replace a folder by an empty one, as for an unmounted disk."""
    folder.rename(folder.with_name("." + folder.name))
    folder.mkdir()


def mount(folder: Path) -> None:
    folder.rmdir()
    folder.with_name("." + folder.name).rename(folder)


EMPTY = "the folder is empty: is its disk mounted?"


def test_an_empty_folder_keeps_its_records(filled: Library) -> None:
    unmount(filled.folder)
    line = f"kept 4 records: {EMPTY}; --forget-missing deletes them"
    assert run_result(filled) == ({}, [line], False)
    assert run_result(filled) == ({}, [line], False)
    assert len(filled.records) == 4


def test_restored_files_are_found_again_without_a_read(filled: Library) -> None:
    unmount(filled.folder)
    filled.run()
    mount(filled.folder)
    filled.images.batches.clear()
    assert run_result(filled) == ({UNCHANGED: 4}, [], True)
    assert filled.images.batches == []


def test_records_of_unreachable_files_are_deleted_on_request(filled: Library) -> None:
    unmount(filled.folder)
    assert run_result(filled, forget=True) == ({DELETED: 4}, [], True)
    assert filled.records == {}


def test_an_emptied_folder_keeps_its_records_until_deletion_is_confirmed(
    filled: Library,
) -> None:
    """An emptied folder cannot be distinguished from an unmounted disk without its events."""
    for path in filled.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not filled.run().complete
    assert len(filled.records) == 4


def test_records_of_deleted_files_are_deleted(filled: Library) -> None:
    (filled.folder / "disk" / "1.png").unlink()
    (filled.folder / "other" / "3.png").unlink()
    assert run_result(filled) == ({UNCHANGED: 2, DELETED: 2}, [], True)


def test_records_of_a_removed_folder_are_deleted(filled: Library) -> None:
    shutil.rmtree(filled.folder / "disk")
    assert run_result(filled) == ({UNCHANGED: 2, DELETED: 2}, [], True)


def test_the_record_of_the_last_file_is_deleted_if_its_deletion_was_observed(
    filled: Library,
) -> None:
    """The server receives each deletion event, and the folder has the same identity."""
    for path in filled.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert filled.store.head(filled.records["a.png"].ref) is None


def test_an_observed_deletion_in_a_replaced_folder_keeps_the_record(
    filled: Library,
) -> None:
    unmount(filled.folder)
    with pytest.raises(Unreachable, match=r"a\.png: the folder is empty"):
        filled.store.head(filled.records["a.png"].ref)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Assigns device numbers to folders, as for mounted disks."""
    real = image_store.mount_point_of

    def assign(**numbers: int) -> None:
        def mount_point_of(path: str) -> MountPoint:
            found = real(path)
            for name, number in numbers.items():
                if f"/{name}" in path.removesuffix("/."):
                    return MountPoint(number, number, found.inode)
            return found

        for module in (image_store, walk):
            monkeypatch.setattr(module, "mount_point_of", mount_point_of)

    return assign


@pytest.fixture
def on_a_disk(
    filled: Library, devices: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Library:
    """A folder with a disk mounted at `disk`."""
    point = str(filled.folder / "disk")
    monkeypatch.setattr(walk, "mounted_paths", lambda: frozenset({point}))
    devices(disk=7)
    assert filled.run().complete
    assert set(load_mount_points(filled.directory)) == {"", "disk"}
    return filled


AWAY = "kept 2 records below disk: another disk is mounted than before, or none"


def test_a_folder_whose_disk_is_not_mounted_keeps_its_records(
    on_a_disk: Library, devices: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices()
    monkeypatch.setattr(walk, "mounted_paths", frozenset)
    unmount(on_a_disk.folder / "disk")
    (on_a_disk.folder / "other" / "3.png").unlink()
    line = f"{AWAY}; --forget-missing deletes them"
    assert run_result(on_a_disk) == ({UNCHANGED: 1, DELETED: 1}, [line], False)
    assert run_result(on_a_disk) == ({UNCHANGED: 1}, [line], False)
    with pytest.raises(Unreachable):
        on_a_disk.store.head(on_a_disk.records["disk/1.png"].ref)
    assert run_result(on_a_disk, forget=True) == ({UNCHANGED: 1, DELETED: 2}, [], True)
    assert set(load_mount_points(on_a_disk.directory)) == {""}


def test_a_missing_mount_point_keeps_its_records(on_a_disk: Library) -> None:
    shutil.rmtree(on_a_disk.folder / "disk")
    report = on_a_disk.run()
    assert (report.counts, report.kept.total()) == ({UNCHANGED: 2}, 2)


def test_files_of_another_disk_are_indexed_and_records_of_the_first_disk_are_kept(
    on_a_disk: Library, devices: Callable[..., None]
) -> None:
    devices(disk=8)
    unmount(on_a_disk.folder / "disk")
    (on_a_disk.folder / "disk" / "new.png").write_bytes(picture("new"))
    counts, lines, _ = run_result(on_a_disk)
    assert counts == {UNCHANGED: 2, INDEXED: 1}
    assert lines == [f"{AWAY}; --forget-missing deletes them"]


def test_records_of_files_hidden_by_a_new_mount_point_are_kept(
    filled: Library, devices: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk mounted over a folder hides the indexed images."""
    point = str(filled.folder / "disk")
    monkeypatch.setattr(walk, "mounted_paths", lambda: frozenset({point}))
    devices(disk=7)
    unmount(filled.folder / "disk")
    (filled.folder / "disk" / "new.png").write_bytes(picture("new"))
    counts, lines, _ = run_result(filled)
    assert counts == {UNCHANGED: 2, INDEXED: 1}
    reason = "another disk is mounted than before, or none"
    assert lines == [f"kept 2 records: {reason}; --forget-missing deletes them"]
    assert run_result(filled) == ({UNCHANGED: 3}, lines, False)
    devices()
    shutil.rmtree(filled.folder / "disk")
    (filled.folder / ".disk").rename(filled.folder / "disk")
    assert run_result(filled) == ({UNCHANGED: 4, DELETED: 1}, [], True)


def test_a_disk_with_another_device_number_and_all_its_files_is_recognized(
    on_a_disk: Library, devices: Callable[..., None]
) -> None:
    devices(disk=8)
    assert run_result(on_a_disk) == ({UNCHANGED: 4}, [], True)
    (on_a_disk.folder / "disk" / "1.png").unlink()
    assert run_result(on_a_disk) == ({UNCHANGED: 3, DELETED: 1}, [], True)


def test_a_link_to_a_file_on_an_unmounted_disk_keeps_its_record(
    on_a_disk: Library, devices: Callable[..., None]
) -> None:
    (on_a_disk.folder / "best.png").symlink_to("disk/1.png")
    assert on_a_disk.run().complete
    devices()
    unmount(on_a_disk.folder / "disk")
    counts, lines, _ = run_result(on_a_disk)
    assert counts == {UNCHANGED: 2}
    assert "skipped best.png: the link is broken: remove or repair it" in lines
    assert "best.png" in on_a_disk.records


CODES = [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("whole", [True, False], ids=["not even seen", "not to be entered"])
def test_a_folder_that_cannot_be_listed_keeps_its_records(
    filled: Library, filesystem_faults: FilesystemFaults, code: int, whole: bool
) -> None:
    """The other folders are reconciled: deleted and new files are processed."""
    (filled.folder / "other" / "3.png").unlink()
    (filled.folder / "z.png").write_bytes(picture("new"))
    (filesystem_faults.broken if whole else filesystem_faults.locked)(filled.folder / "disk", code)
    counts, lines, complete = run_result(filled)
    reason = os.strerror(code)
    assert counts == {UNCHANGED: 1, DELETED: 1, INDEXED: 1}
    assert lines == [
        f"skipped disk: it cannot be listed: {reason}",
        f"kept 2 records below disk: {reason}; --forget-missing deletes them",
    ]
    assert not complete
    filesystem_faults.clear()
    assert run_result(filled) == ({UNCHANGED: 4}, [], True)


def test_records_of_files_without_permission_are_deleted_on_request(
    filled: Library, filesystem_faults: FilesystemFaults
) -> None:
    filesystem_faults.locked(filled.folder / "disk")
    counts, lines, complete = run_result(filled, forget=True)
    assert counts == {UNCHANGED: 2, DELETED: 2}
    assert lines == ["skipped disk: it cannot be listed: Permission denied"]
    assert not complete


def test_an_unreadable_file_affects_no_other(
    library: Library, filesystem_faults: FilesystemFaults
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (library.folder / name).write_bytes(picture(name))
    real_open = os.open

    def failing(path: object, *rest: int) -> int:
        if str(path).endswith("b.png"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_open(path, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", failing)
        counts, lines, complete = run_result(library)
    assert counts == {INDEXED: 2, OutcomeKind.FAILED: 1}
    assert lines == ["failed b.png: cannot read b.png: Permission denied"]
    assert not complete


def test_every_file_is_read_on_demand(filled: Library) -> None:
    filled.images.batches.clear()
    assert filled.run().counts == {OutcomeKind.UNCHANGED: 4}
    assert filled.run(force=True).counts == {OutcomeKind.UPDATED: 4}
    assert filled.images.read == []


def test_two_files_that_swapped_names_are_detected(library: Library) -> None:
    first, second = (library.folder / name for name in ("a.png", "b.png"))
    for path, words in ((first, "cat"), (second, "dog")):
        path.write_bytes(picture(words))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    library.run()
    before = {key: record.sha256 for key, record in library.records.items()}
    first.rename(library.folder / "c")
    second.rename(first)
    (library.folder / "c").rename(second)
    library.run()
    after = {key: record.sha256 for key, record in library.records.items()}
    assert after == {"a.png": before["b.png"], "b.png": before["a.png"]}


def test_unreadable_folder_identities_are_unknown(tmp_path: Path) -> None:
    for text in ("", "[]", "{", '{"": 1}', '{"": {"device": 1}}'):
        (tmp_path / "places.json").write_text(text)
        assert load_mount_points(tmp_path) == {}
    places = {"": MountPoint(1, 2, 3), "a/b": MountPoint(4, 0, 5, "server:/share")}
    save_mount_points(tmp_path, places)
    assert load_mount_points(tmp_path) == places


class OverlappingIndexer(Indexer):
    """Links the first chunk only while the second one is updated."""

    def __init__(self) -> None:
        self._second_started, self._first_linked = threading.Event(), threading.Event()
        self.updated: list[int] = []

    def update(self, refs: Iterable[ImageRef]) -> list[Outcome]:
        settled = [Outcome(ref, OutcomeKind.INDEXED, unlinked=True) for ref in refs]
        if self.updated:
            self._second_started.set()
            assert self._first_linked.wait(PATIENCE_SECONDS)
        self.updated.append(len(settled))
        return settled

    def link(self, settled: list[Outcome]) -> list[Outcome]:
        if not self._first_linked.is_set():
            assert self._second_started.wait(PATIENCE_SECONDS)
            self._first_linked.set()
        return [Outcome(each.ref, each.kind, "linked") for each in settled]


def test_duplicates_are_linked_while_the_next_images_are_embedded() -> None:
    refs = [ImageRef("images", f"{number}.jpg") for number in range(CHUNK_KEYS + 3)]
    indexer = OverlappingIndexer()
    outcomes = list(reconcile(indexer, refs))
    assert outcomes == [Outcome(ref, OutcomeKind.INDEXED, "linked") for ref in refs]
    assert indexer.updated == [CHUNK_KEYS, 3]
