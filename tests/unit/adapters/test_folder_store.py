"""Claims: a folder is a bucket, and nothing outside it can be reached through it."""

import os
from pathlib import Path

import pytest

from imagesearch.adapters.folder_store import FolderStore
from imagesearch.domain import ImageRef
from imagesearch.errors import ObjectChanged, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a secret beside it."""
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


def test_the_bucket_is_the_folder_s_address(store, folder):
    assert store.bucket == folder.as_uri()


def test_what_is_not_there_is_nothing(store, folder, ref):
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
def test_a_key_that_names_no_file_of_the_folder_is_nothing(store, folder, ref, key):
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


def test_links_in_a_circle_do_not_stop_the_list(store, folder, ref):
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "z.jpg").write_bytes(b"data")
    assert "z.jpg" in keys(store)
    assert store.head(ref("circle.jpg")) is None


def test_hidden_files_and_folders_are_not_seen(store, folder, ref):
    for key in (".hidden.jpg", ".git/a.jpg", "sub/.b.jpg", "seen.jpg"):
        path = folder / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"data")
    assert keys(store) == ["seen.jpg"]
    assert store.head(ref(".hidden.jpg")) is None
    assert store.head(ref(".git/a.jpg")) is None


def test_a_name_that_is_no_utf8_is_passed_over(store, folder):
    (folder / "good.jpg").write_bytes(b"data")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/bad \xff.jpg")).write_bytes(b"data")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert keys(store) == ["good.jpg"]


def test_what_looks_like_images_and_can_have_no_key_is_told(store, folder):
    (folder / "good.jpg").write_bytes(b"data")
    (folder / "inside.jpg").symlink_to("good.jpg")
    (folder / "out.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "notes.txt").symlink_to(folder.parent / "notes.txt")
    (folder / "sub").mkdir()
    (folder / "sub" / "trip").symlink_to(folder.parent)
    out = "it leads out of the folder: put the images themselves here"
    assert dict(store.passed_over()) == {"out.jpg": out, "sub/trip": out}


def test_a_name_that_is_no_utf8_is_told_once_for_all_below_it(store, folder):
    root = os.fsencode(folder)
    names = {b"caf\xe9.jpg", b"\xfftrip"}
    try:
        Path(os.fsdecode(root + b"/\xfftrip")).mkdir()
        for name in (b"caf\xe9.jpg", b"caf\xe9.txt", b"\xfftrip/1.jpg", b"\xfftrip/2.jpg"):
            Path(os.fsdecode(root + b"/" + name)).write_bytes(b"data")
    except OSError:
        pytest.skip("this file system takes no such name")
    told = dict(store.passed_over())
    assert {os.fsencode(name) for name in told} == names
    assert set(told.values()) == {"its name is not UTF-8: rename it"}


def test_the_list_holds_every_file_with_its_path_from_the_folder(store, folder):
    for key in ("b.jpg", "a/1.jpg", "a/é 🐈/2.jpg"):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
    assert sorted(keys(store)) == ["a/1.jpg", "a/é 🐈/2.jpg", "b.jpg"]


def test_the_list_is_in_the_order_of_the_keys_bytes(store, folder):
    names = ["a/1.jpg", "a!.jpg", "a.jpg", "a/b/2.jpg", "a0.jpg", "B.jpg", "é.jpg", "z/é.jpg"]
    names += ["z/～.jpg", "z/🐈.jpg", "a/b.jpg", "a/b0/1.jpg"]
    for key in names:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
    assert keys(store) == sorted(names, key=str.encode)


def test_the_list_tells_what_a_look_tells(store, folder):
    (folder / "a.jpg").write_bytes(b"data")
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    (folder / "link.jpg").symlink_to(folder / "a.jpg")
    (folder / "folder.jpg").mkdir()
    assert keys(store) == ["a.jpg", "link.jpg"]
    assert all(state == store.head(ref) for ref, state in store.list_images())


def test_a_file_that_was_overwritten_is_not_read_as_what_it_was(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"old")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").write_bytes(b"longer")
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


def test_a_file_that_was_touched_has_another_state(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    before = store.head(ref("a.jpg"))
    os.utime(folder / "a.jpg", ns=(0, 1_700_000_000_123_456_789))
    assert store.head(ref("a.jpg")) != before


def test_a_file_that_went_away_has_changed(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").unlink()
    with pytest.raises(ObjectChanged):
        store.read(ref("a.jpg"), state)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unavailable(store, folder, ref):
    (folder / "a.jpg").write_bytes(b"data")
    state = store.head(ref("a.jpg"))
    (folder / "a.jpg").chmod(0)
    with pytest.raises(Unavailable, match=r"a\.jpg"):
        store.read(ref("a.jpg"), state)


def test_addresses_are_quoted(store, ref):
    url = store.url(ref("a b/ü#?%.jpg"))
    assert url == "/files/a%20b/%C3%BC%23%3F%25.jpg"
