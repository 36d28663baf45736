"""A folder as a bucket; no key reaches a file outside of it."""

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem import file_state
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.filesystem.mounts import mount_point_of
from imagesearch.domain.errors import ObjectChanged, Unavailable
from imagesearch.domain.images import ImageRef


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder next to a secret file."""
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def store(folder: Path) -> FolderStore:
    return FolderStore(folder)


@pytest.fixture
def ref(store: FolderStore):
    return lambda key: ImageRef(store.bucket, key)


def keys(store: FolderStore) -> list[str]:
    return [found.key for found, _ in store.list_images()]


def test_a_file_is_an_object(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    assert state.size == 4
    assert store.read(ref("a.jpg"), state) == b"data"
    assert store.read(ref("a.jpg"), state, 2) == b"da"
    assert store.read(ref("a.jpg"), state, 100) == b"data"


def test_the_bucket_is_the_path_of_the_folder(store, folder):
    assert store.bucket == folder.as_uri()


def test_a_missing_file_is_none(store, folder, ref):
    (folder / "sub").mkdir()
    (folder / "a.jpg").write_bytes(b"data")
    for key in ("gone.jpg", "sub", "sub/gone.jpg", "a.jpg/inside.jpg"):
        assert store.head(ref(key)) is None


OUTSIDE = ["../secret.jpg", "sub/../../secret.jpg", "/etc/passwd", "..", ".", "", "a//b.jpg", "a/"]
NO_KEYS = [
    "a\0.jpg",
    "half \ud800.jpg",
    "raw \udcff.jpg",
    "x" * 300 + ".jpg",
    "x/" * 3000 + "a.jpg",
]


@pytest.mark.parametrize("key", OUTSIDE + NO_KEYS, ids=ascii)
def test_a_key_outside_the_folder_is_none(store, folder, ref, key):
    (folder / "sub").mkdir()
    assert store.head(ref(key)) is None


@pytest.mark.parametrize("key", [*OUTSIDE, "link.jpg", "linked/secret.jpg"])
def test_nothing_outside_the_folder_is_read(store, folder, ref, key):
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "linked").symlink_to(folder.parent)
    state = FolderStore(folder.parent).head(ImageRef("", "secret.jpg"))
    assert store.head(ref(key)) is None
    with pytest.raises(ObjectChanged):
        store.read(ref(key), state)


def test_a_link_inside_the_folder_is_followed(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    (folder / "b.jpg").symlink_to("a.jpg")
    assert store.head(ref("b.jpg")).size == 4


def test_circular_links_do_not_stop_the_listing(store, folder, ref):
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "z.jpg").write_bytes(b"data")
    assert "z.jpg" in keys(store)
    assert store.head(ref("circle.jpg")) is None


def test_hidden_files_and_folders_are_not_listed(store, folder, ref):
    for key in (".hidden.jpg", ".git/a.jpg", "sub/.b.jpg", "seen.jpg"):
        path = folder / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"data")
    assert keys(store) == ["seen.jpg"]
    assert store.head(ref(".hidden.jpg")) is None
    assert store.head(ref(".git/a.jpg")) is None


def test_a_name_that_is_not_utf8_is_skipped(store, folder):
    (folder / "good.jpg").write_bytes(b"data")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/bad \xff.jpg")).write_bytes(b"data")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert keys(store) == ["good.jpg"]


def test_image_names_that_cannot_be_keys_are_reported(store, folder):
    (folder / "good.jpg").write_bytes(b"data")
    (folder / "inside.jpg").symlink_to("good.jpg")
    (folder / "out.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "notes.txt").symlink_to(folder.parent / "notes.txt")
    (folder / "sub").mkdir()
    (folder / "sub" / "trip").symlink_to(folder.parent)
    out = "it leads out of the folder: put the images themselves here"
    assert dict(store.skipped()) == {"out.jpg": out, "sub/trip": out}


def test_a_folder_name_that_is_not_utf8_is_reported_once(store, folder):
    root = os.fsencode(folder)
    names = {b"caf\xe9.jpg", b"\xfftrip"}
    try:
        Path(os.fsdecode(root + b"/\xfftrip")).mkdir()
        for name in (b"caf\xe9.jpg", b"caf\xe9.txt", b"\xfftrip/1.jpg", b"\xfftrip/2.jpg"):
            Path(os.fsdecode(root + b"/" + name)).write_bytes(b"data")
    except OSError:
        pytest.skip("this file system takes no such name")
    reported = dict(store.skipped())
    assert {os.fsencode(name) for name in reported} == names
    assert set(reported.values()) == {"its name is not UTF-8: rename it"}


def test_the_listing_contains_every_file_by_its_relative_path(store, folder):
    for key in ("b.jpg", "a/1.jpg", "a/é 🐈/2.jpg"):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
    assert sorted(keys(store)) == ["a/1.jpg", "a/é 🐈/2.jpg", "b.jpg"]


def test_a_listing_is_in_the_order_of_the_key_bytes(store, folder):
    names = ["a/1.jpg", "a!.jpg", "a.jpg", "a/b/2.jpg", "a0.jpg", "B.jpg", "é.jpg", "z/é.jpg"]
    names += ["z/～.jpg", "z/🐈.jpg", "a/b.jpg", "a/b0/1.jpg"]
    for key in names:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
    assert keys(store) == sorted(names, key=str.encode)


def test_a_listing_returns_the_same_state_as_head(store, folder):
    (folder / "a.jpg").write_bytes(b"data")
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    (folder / "link.jpg").symlink_to(folder / "a.jpg")
    (folder / "folder.jpg").mkdir()
    assert keys(store) == ["a.jpg", "link.jpg"]
    assert all(state == store.head(ref) for ref, state in store.list_images())


def test_an_overwritten_file_is_not_read_in_its_older_state(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"old")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").write_bytes(b"longer")
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


def test_a_touched_file_has_another_state(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    before = store.head(ref("a.jpg"))
    os.utime(folder / "a.jpg", ns=(0, 1_700_000_000_123_456_789))
    assert store.head(ref("a.jpg")) != before


def test_a_file_that_was_removed_has_changed(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").unlink()
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_unavailable(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").chmod(0)
    with pytest.raises(Unavailable, match=r"a\.jpg"):
        store.read(ref("a.jpg"), state)


def test_urls_are_quoted(store, ref):
    url = store.url(ref("a b/ü#?%.jpg"))
    assert url == "/files/a%20b/%C3%BC%23%3F%25.jpg"


LINKS = {
    "itself": ("link", "Too many levels of symbolic links"),
    "through a file": ("a.jpg/x", "Not a directory"),
    "too long": ("x" * 300, "File name too long"),
}


@pytest.mark.parametrize("name", ["link", "link.jpg"])
@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_cannot_be_followed_affects_no_other_file(store, folder, kind, name):
    target, reason = LINKS[kind]
    (folder / "a.jpg").write_bytes(b"data")
    (folder / "z").mkdir()
    (folder / "z" / "z.jpg").write_bytes(b"data")
    (folder / name).symlink_to(name if kind == "itself" else target)
    assert keys(store) == ["a.jpg", "z/z.jpg"]
    assert dict(store.skipped()) == {name: f"the link cannot be followed: {reason}"}


def test_circular_links_are_skipped(store, folder):
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    assert sorted(dict(store.skipped())) == ["one", "two"]


def test_a_broken_link_is_reported_if_named_as_an_image(store, folder):
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "lock").symlink_to("someone@host.123")
    nowhere = "the link is broken: remove or repair it"
    assert dict(store.skipped()) == {"gone.jpg": nowhere}


def test_linked_folders_are_not_listed(store, folder, ref):
    """Files have only the key of their own location, so listings contain no second key."""
    (folder / "sub").mkdir()
    (folder / "sub" / "a.jpg").write_bytes(b"data")
    (folder / "again").symlink_to("sub")
    assert keys(store) == ["sub/a.jpg"]
    assert store.head(ref("again/a.jpg")) is None


def test_a_chain_of_links_that_is_too_long_is_none(store, folder, ref):
    (folder / "0.jpg").write_bytes(b"data")
    for number in range(1, 1_200):
        (folder / f"{number}.jpg").symlink_to(f"{number - 1}.jpg")
    assert store.head(ref("1199.jpg")) is None
    assert "1199.jpg" in dict(store.skipped())


@pytest.mark.slow
def test_an_image_name_that_is_not_a_file_is_reported(store, folder, ref, monkeypatch):
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        monkeypatch.chdir(folder)  # the path of a socket has at most 107 bytes
        made.bind("socket.png")
    assert dict(store.skipped()) == {
        "pipe.jpg": "it is a named pipe, not a file",
        "socket.png": "it is a socket, not a file",
    }
    assert keys(store) == []
    assert store.head(ref("pipe.jpg")) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path.name)])
def test_a_file_replaced_by_another_type_has_changed(store, folder, ref, make):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").unlink()
    make(folder / "a.jpg")
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


TIMES = {
    -(2**62): datetime(1, 1, 2, tzinfo=UTC),
    -62_135_596_801: datetime(1, 1, 2, tzinfo=UTC),
    -1: datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    253_402_300_800: datetime(9999, 12, 30, tzinfo=UTC),
    2**62: datetime(9999, 12, 30, tzinfo=UTC),
}


@pytest.mark.parametrize("seconds", TIMES)
def test_a_time_outside_the_calendar_is_clamped(store, seconds):
    found = os.stat_result([0o100644, 1, 1, 1, 0, 0, 4, 0, seconds, 0])
    # A stat result built in Python has no nanosecond fields.
    state = file_state.object_state(Stat(found, seconds * 10**9))
    assert state.last_modified == TIMES[seconds]


class Stat:
    """A stat result with the times of the system."""

    def __init__(self, found: os.stat_result, nanoseconds: int) -> None:
        self.st_size, self.st_dev, self.st_ino = found.st_size, found.st_dev, found.st_ino
        self.st_mtime_ns = self.st_ctime_ns = nanoseconds


def test_files_with_extreme_times_are_listed(store, folder, ref):
    for number, seconds in enumerate(TIMES):
        path = folder / f"{number}.jpg"
        path.write_bytes(b"data")
        with suppress(OSError, OverflowError):
            os.utime(path, ns=(0, seconds * 10**9 + 123_456_789))
    assert len(keys(store)) == len(TIMES)
    assert list(store.skipped()) == []


def test_an_edit_that_keeps_size_and_time_has_another_state(store, folder, ref):
    path = folder / "a.jpg"
    path.write_bytes(b"data")
    os.utime(path, ns=(0, 10**18))
    before = store.head(ref("a.jpg"))
    with path.open("r+b") as file:
        file.write(b"DATA")
    os.utime(path, ns=(0, 10**18))
    after = store.head(ref("a.jpg"))
    assert (before.size, before.last_modified) == (after.size, after.last_modified)
    assert before.etag != after.etag


def test_the_inode_is_part_of_the_state_if_the_filesystem_keeps_it(store, folder, ref, monkeypatch):
    (folder / "a.jpg").write_bytes(b"data")
    inode = f"{(folder / 'a.jpg').stat().st_ino:x}"
    monkeypatch.setattr(file_state, "has_lasting_inodes", lambda _: True)
    assert store.head(ref("a.jpg")).etag.split("-")[-1] == inode
    monkeypatch.setattr(file_state, "has_lasting_inodes", lambda _: False)
    assert store.head(ref("a.jpg")).etag.split("-")[-1] == "0"


def test_a_path_that_is_too_long_affects_no_other_file(store, folder):
    (folder / "z.jpg").write_bytes(b"data")
    at = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=at)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    assert keys(store) == ["z.jpg"]
    assert set(dict(store.skipped()).values()) == {"it cannot be listed: File name too long"}


def test_a_long_name_and_a_long_key_are_keys(store, folder, ref):
    key = "/".join([*("d" * 200 for _ in range(6)), "x" * 251 + ".jpg"])
    (folder / key).parent.mkdir(parents=True)
    (folder / key).write_bytes(b"data")
    assert keys(store) == [key]
    assert store.head(ref(key)).size == 4


def test_the_fingerprint_changes_when_a_folder_becomes_readable(store, folder):
    for name in ("locked", "disk"):
        (folder / name).mkdir()
    store.set_mount_points({"disk": mount_point_of(str(folder / "disk"))}, ["locked"])
    before = store.fingerprint()
    (folder / "a.jpg").write_bytes(b"data")
    assert store.fingerprint() == before
    (folder / "locked").chmod(0o711)
    changed = store.fingerprint()
    assert changed != before
    (folder / "disk").rmdir()
    assert store.fingerprint() != changed
