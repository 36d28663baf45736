"""Only images that the index lists are served from a folder, and their thumbnails."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.filesystem.excludes import Excludes
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.filesystem.own_data import RECORD
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from local.web.files import image_files, thumbnail_files

Call = Callable[..., Any]
DISGUISED = (
    *(".", "..", "", "/", "cats", "cats/../passwords.txt", "cats/./a.jpg", "//passwords.txt"),
    *("cats\\..\\passwords.txt", "..\\passwords.txt", "%2e%2e/passwords.txt", "%252e%252e/a.jpg"),
    *("a.jpg\0", "a.jpg\0.txt", "passwords.txt\0.jpg", "a.jpg/", "a.jpg/.", "A.JPG", "a.jpg."),
)
NAMES = st.sampled_from(
    "passwords.txt id_rsa .env config a.jpg b.png upload-secret index.db notes.pdf x.svg thumbs.db"
    " ä.jpg %2e%2e +.jpg".split()
)
FOLDERS = st.sampled_from(["", "cats/", ".git/", "cats/.git/", "data/", "data/w/derived/", ".ssh/"])
PATHS = st.builds(str.__add__, FOLDERS, NAMES)


@given(st.sets(PATHS, min_size=1), st.sets(PATHS, max_size=4), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_exactly_the_visible_listed_files_are_served(
    call: Call, existing: set[str], listed: set[str], hidden: bool
) -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        for key in existing:
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_text(f"content of {key}")
        own = folder / "data/w"
        own.mkdir(parents=True, exist_ok=True)
        (own / RECORD).write_text('{"folder": "x", "model": "y"}')
        (own / "derived").mkdir(exist_ok=True)
        store = FolderStore(folder, excludes=Excludes(folder, [], not hidden))
        ids = {ImageRef(store.bucket, key).id for key in listed}
        files = image_files(store, ids.__contains__)
        for key in {*existing, *listed, *DISGUISED}:
            answer = call(files, PATH_INFO=f"/files/{key}".encode().decode("latin-1"))
            if key in listed & existing and store.path(key):
                assert not key.startswith("data/w/")
                assert answer.body == f"content of {key}".encode()
            else:
                assert answer.status == "404 Not Found"


def test_secrets_of_a_data_directory_in_the_folder_are_not_served_even_if_they_are_listed(
    folder: Path, call: Call
) -> None:
    changes = FolderChanges(folder, folder / "data/w/derived")
    store = FolderStore(folder)
    (folder / "data/w").mkdir(parents=True)
    (folder / "data/w" / RECORD).write_text('{"folder": "x", "model": "y"}')
    changes._secret()
    assert (folder / "data/w/derived/upload-secret").is_file()
    for path in ("data/w/derived/upload-secret", f"data/w/{RECORD}"):
        assert call(image_files(store, lambda _: True), f"/files/{path}").status[:3] == "404"


@pytest.mark.parametrize(
    "name", ["one/upload-secret", "upload-secret", "one/x.webp", "../upload-secret", "one", ""]
)
def test_other_files_than_thumbnails_of_listed_images_are_not_served(
    name: str, tmp_path: Path, call: Call
) -> None:
    digest = "0123456789abcdef" * 2
    (tmp_path / "one").mkdir()
    for each in (
        f"one/{digest}.webp",
        f"one/{digest}-640.jpg",
        "one/upload-secret",
        "upload-secret",
        "one/x.webp",
    ):
        (tmp_path / each).write_bytes(b"RIFF")
    thumbnails = thumbnail_files(FolderStore(tmp_path), {"one"}.__contains__)
    assert call(thumbnails, f"/thumbnails/one/{digest}.webp").status == "200 OK"
    assert call(thumbnails, f"/thumbnails/one/{digest}-640.jpg").status == "200 OK"
    assert call(thumbnails, f"/thumbnails/{name}").status == "404 Not Found"
    gone = thumbnail_files(FolderStore(tmp_path), lambda _: False)
    assert call(gone, f"/thumbnails/one/{digest}.webp").status == "404 Not Found"


def test_an_unavailable_index_is_a_503_with_a_retry(store: FolderStore, call: Call) -> None:
    def listed(_: str) -> bool:
        raise Unavailable("the index file /home/me/index.db is unavailable")

    answer = call(image_files(store, listed), "/files/a.jpg")
    assert (answer.status[:3], answer.headers["Retry-After"]) == ("503", "1")
    assert b"/home/me" not in answer.body
