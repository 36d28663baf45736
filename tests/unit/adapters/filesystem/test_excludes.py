"""Excluded files: leftovers of other software, own data, ignore files and options."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.filesystem.excludes import IGNORE_FILE, Excludes
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.filesystem.own_data import mark, own_directory_around
from imagesearch.adapters.filesystem.walk import ExcludedEntry
from imagesearch.domain.errors import InvalidQuery, Unavailable
from imagesearch.domain.images import ImageRef

LEFTOVERS = (
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    "x/@EADIR/a.jpg",
    "#recycle/a.jpg",
    "#RECYCLE/a.jpg",
    "$RECYCLE.BIN/a.jpg",
    ".Trash-1000/files/a.jpg",
    "lost+found/a.jpg",
    "~syncthing~a.jpg.tmp",
    "~syncthing~a.jpg",
    "a.tmp",
    "a.jpg~",
    "a.jpg_original",
    "a.jpg.part",
    "a.jpg.crdownload",
    "Thumbs.db",
    "THUMBS.DB",
    ".stversions/a.jpg",
    "System Volume Information/a.jpg",
    "._a.jpg",
    ".thumbnails/a.jpg",
    "Catalog Previews.lrdata/a.jpg",
    "@__thumb/a.jpg",
    "Photos.photoslibrary/resources/derivatives/a.jpg",
    "Photos Library.PHOTOSLIBRARY/database/a.jpg",
    ".hidden.jpg",
)
SEEN = (
    "a.jpg",
    "eaDir/a.jpg",
    "recycle/a.jpg",
    "tmp/a.jpg",
    "2024~2025/a.jpg",
    "the original.jpg",
    "lost+found.jpg",
    "Photos.photoslibrary/originals/0/a.jpg",
    "Photos.photoslibrary/Masters/2020/a.jpg",
    "photoslibrary/a.jpg",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@pytest.fixture
def put(folder: Path) -> Callable[..., None]:
    def write(*names: str, data: str = "data") -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(data)

    return write


def seen(folder: Path, excludes: Excludes | None = None) -> set[str]:
    """The keys of the listing, checked against `head` of each key."""
    store = FolderStore(folder, excludes=excludes)
    keys = {ref.key for ref, _ in store.list_images()}
    files = (path for path in folder.rglob("*") if path.is_file())
    for path in files:
        key = path.relative_to(folder).as_posix()
        assert (store.head(ImageRef(store.bucket, key)) is not None) == (key in keys), key
        assert (store.ref(path) is not None) == (key in keys), key
    return keys


def test_leftovers_are_excluded_and_similar_names_are_not(folder, put):
    put(*LEFTOVERS, *SEEN)
    assert seen(folder) == set(SEEN)


def test_without_defaults_only_unfinished_uploads_and_ignore_files_are_excluded(folder, put):
    put(*LEFTOVERS, *SEEN, ".upload-abc", "x/.upload-abc.jpg", IGNORE_FILE, data="")
    assert seen(folder, Excludes(folder, defaults=False)) == {*LEFTOVERS, *SEEN}


def test_a_nearer_file_and_a_given_pattern_take_precedence(folder, put):
    put("a.raw", "b.raw", "x/a.raw", "x/b.raw", ".kept/a.jpg", "y.tmp")
    put(IGNORE_FILE, data="*.raw\n!.kept/\n!*.tmp\n")
    put(f"x/{IGNORE_FILE}", data="!b.raw\n")
    assert seen(folder) == {"x/b.raw", ".kept/a.jpg", "y.tmp"}
    assert seen(folder, Excludes(folder, ["!a.raw", "x/b.*"])) == {
        *("a.raw", "x/a.raw", ".kept/a.jpg", "y.tmp")
    }


def test_excluded_files_are_reported_with_the_reason_and_folders_once(folder, put):
    put("@eaDir/a.jpg", "@eaDir/b.jpg", "x/a.raw", "b.gif", "c.jpg", "x/.upload-1")
    put(f"x/{IGNORE_FILE}", data="# not these\n*.raw\n")
    store = FolderStore(folder, excludes=Excludes(folder, ["*.gif"]))
    left = (entry for entry in store.walk() if isinstance(entry, ExcludedEntry))
    assert {(found.path, found.is_dir, found.reason) for found in left} == {
        ("@eaDir", True, "excluded by default: @eaDir"),
        ("x/a.raw", False, "excluded by x/.imagesearchignore: *.raw"),
        ("b.gif", False, "excluded by --exclude: *.gif"),
    }


def test_a_change_of_an_ignore_file_applies_immediately(folder, put):
    put("a.jpg", "b.jpg")
    store = FolderStore(folder)
    for lines, keys in (("a*", ["b.jpg"]), ("b*", ["a.jpg"]), ("", ["a.jpg", "b.jpg"])):
        put(IGNORE_FILE, data=lines)
        assert [ref.key for ref, _ in store.list_images()] == keys
    put(IGNORE_FILE, data="*")
    assert store.head(ImageRef(store.bucket, "a.jpg")) is None
    (folder / IGNORE_FILE).unlink()
    assert store.head(ImageRef(store.bucket, "a.jpg"))


def break_pattern(file: Path) -> None:
    file.write_text("*.gif\n[a\n")


def break_encoding(file: Path) -> None:
    file.write_bytes("*.gif".encode("utf-16"))


def make_folder(file: Path) -> None:
    file.mkdir()


def make_pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_pattern, "line 2, '[a': a bracket is not closed"),
        (break_encoding, "line 1 is not UTF-8"),
        (make_folder, "not a regular file"),
        (make_pipe, "not a regular file"),
    ],
)
def test_an_invalid_ignore_file_excludes_its_folder_and_is_reported(folder, put, spoil, message):
    put("a.jpg", "x/b.jpg", "x/deep/c.jpg")
    spoil(folder / "x" / IGNORE_FILE)
    store = FolderStore(folder)
    assert [ref.key for ref, _ in store.list_images()] == ["a.jpg"]
    with pytest.raises(Unavailable, match=rf"x/{IGNORE_FILE}"):
        store.head(ImageRef(store.bucket, "x/deep/c.jpg"))
    ((path, reason),) = store.skipped()
    assert path == f"x/{IGNORE_FILE}"
    assert message in reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_ignore_file_without_read_permission_is_reported(folder, put):
    put("a.jpg", IGNORE_FILE)
    (folder / IGNORE_FILE).chmod(0)
    store = FolderStore(folder)
    assert list(store.list_images()) == []
    assert "Permission denied" in dict(store.skipped())[IGNORE_FILE]


RECORD = json.dumps({"folder": "/pictures", "model": "starter"})


def workspace(put: Callable[..., None], place: str, record: str = RECORD) -> None:
    put(f"{place}/index.db", f"{place}/derived/thumbnails/id/1.webp")
    put(f"{place}/workspace.json", data=record)


@pytest.mark.parametrize("record", [RECORD, "", "[]"])
@pytest.mark.parametrize("defaults", [True, False])
def test_data_of_an_older_release_are_excluded_under_any_name(folder, put, defaults, record):
    workspace(put, "x/data/pictures-1", record)
    workspace(put, "x/data/pictures-2", record)
    put("a.jpg", "x/data/last-used", "x/data/models/m/sample.jpg")
    assert seen(folder, Excludes(folder, defaults=defaults)) == {"a.jpg"}


def test_images_in_a_folder_used_as_a_data_directory_are_listed(folder, put):
    workspace(put, "trip/pictures-1")
    put("trip/last-used", "trip/a.jpg", "trip/models/b.jpg")
    assert seen(folder) == {"trip/last-used", "trip/a.jpg", "trip/models/b.jpg"}


def test_a_marked_data_directory_is_excluded(folder, put):
    mark(folder / "data")
    put("data/more/a.jpg", "b.jpg")
    assert seen(folder) == {"b.jpg"}


def test_a_folder_with_images_is_not_marked(folder, put):
    put("a.jpg")
    mark(folder)
    assert own_directory_around(folder) is None
    assert seen(folder) == {"a.jpg"}


def test_files_of_other_programs_do_not_mark_a_data_directory(folder, put):
    put("code/workspace.json", data=json.dumps({"folder": "file:///home/me"}))
    put("code/a.jpg", "shop/index.db", "shop/b.jpg", "derived/c.jpg")
    assert {"code/a.jpg", "shop/b.jpg", "derived/c.jpg"} <= seen(folder)


def test_a_link_to_product_data_is_excluded(folder, put):
    workspace(put, "data/pictures-1")
    put("a.jpg")
    (folder / "link.webp").symlink_to("data/pictures-1/derived/thumbnails/id/1.webp")
    (folder / "links").symlink_to("data/pictures-1/derived")
    store = FolderStore(folder)
    assert [ref.key for ref, _ in store.list_images()] == ["a.jpg"]
    for key in ("link.webp", "links/thumbnails/id/1.webp"):
        assert store.head(ImageRef(store.bucket, key)) is None


def test_the_configured_product_folders_are_excluded(folder, put):
    put("cache/models/m/sample.jpg", "cache/a.jpg")
    excludes = Excludes(folder, own=[folder / "cache" / "models"])
    assert seen(folder, excludes) == {"cache/a.jpg"}


def test_an_upload_to_an_excluded_key_is_rejected(folder, tmp_path):
    changes = FolderChanges(folder, tmp_path / "data", Excludes(folder, ["drafts/"]))
    for key in ("@eaDir/a.png", "drafts/a.png"):
        with pytest.raises(InvalidQuery, match="would not be indexed: excluded by"):
            changes.put(ImageRef("pictures", key), b"data", "image/png", {})
    assert list(folder.iterdir()) == []
