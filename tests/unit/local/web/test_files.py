"""Files of the folder are served like objects of a bucket, and cannot run scripts in the origin."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.images import ImageRef
from local.web.files import Files

Call = Callable[..., Any]
JPEG = b"\xff\xd8\xff" + bytes(100)


@pytest.fixture
def files(store: FolderStore) -> Files:
    return Files(store)


@pytest.mark.parametrize(
    "key", ["a.jpg", "d/e f/ü#?%41&+.jpg", "<img src=x onerror=alert(1)>.jpg", "日本.jpg"]
)
def test_a_hit_s_url_leads_to_its_file(
    key: str, files: Files, store: FolderStore, folder: Path, call: Call
) -> None:
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(JPEG)
    # A server decodes the path after it has removed the query.
    path = unquote(store.url(ImageRef(store.bucket, key)), encoding="latin-1")
    answer = call(files, PATH_INFO=path)
    assert (answer.status, answer.body) == ("200 OK", JPEG)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["x.svg", "x.html", "x.jpg"])
def test_files_that_are_not_raster_images_are_sent_as_attachments(
    name: str, files: Files, folder: Path, call: Call
) -> None:
    (folder / name).write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    answer = call(files, f"/files/{name}")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("begins", "content_type", "kind"),
    [
        (JPEG, "image/jpeg", "inline"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl", "inline"),
        (b"II*\0", "image/tiff", "attachment"),
        (b"II*\0\x10\0\0\0CR\2\0", "image/x-canon-cr2", "attachment"),
        (b"FUJIFILMCCD-RAW 0201", "image/x-fuji-raf", "attachment"),
    ],
)
def test_formats_that_browsers_cannot_render_are_sent_as_attachments(
    begins: bytes, content_type: str, kind: str, files: Files, folder: Path, call: Call
) -> None:
    (folder / "picture").write_bytes(begins.ljust(100, b"\0"))
    answer = call(files, "/files/picture")
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"].startswith(kind)


@pytest.mark.parametrize(
    "path", ["../secret.jpg", "d/../../secret.jpg", "/etc/passwd", ".hidden.jpg", "", "d", "no.jpg"]
)
def test_hidden_and_missing_files_are_not_found(
    path: str, files: Files, folder: Path, call: Call
) -> None:
    (folder / "d").mkdir()
    (folder / ".hidden.jpg").write_bytes(JPEG)
    (folder.parent / "secret.jpg").write_bytes(JPEG)
    assert call(files, f"/files/{path}").status == "404 Not Found"


def test_a_link_out_of_the_folder_is_not_followed(files: Files, folder: Path, call: Call) -> None:
    (folder.parent / "secret.jpg").write_bytes(JPEG)
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    assert call(files, "/files/link.jpg").status == "404 Not Found"


def test_a_named_pipe_is_not_found_and_does_not_block(
    files: Files, folder: Path, call: Call
) -> None:
    os.mkfifo(folder / "pipe.jpg")
    assert call(files, "/files/pipe.jpg").status == "404 Not Found"


def test_an_unchanged_file_is_not_sent_twice(files: Files, folder: Path, call: Call) -> None:
    (folder / "a.jpg").write_bytes(JPEG)
    etag = call(files, "/files/a.jpg").headers["ETag"]
    again = call(files, "/files/a.jpg", HTTP_IF_NONE_MATCH=etag)
    assert (again.status, again.body) == ("304 Not Modified", b"")
    (folder / "a.jpg").write_bytes(JPEG * 2)
    assert call(files, "/files/a.jpg", HTTP_IF_NONE_MATCH=etag).body == JPEG * 2


def test_head_returns_the_length_and_other_methods_are_rejected(
    files: Files, folder: Path, call: Call
) -> None:
    (folder / "a.jpg").write_bytes(JPEG)
    head = call(files, "/files/a.jpg", "HEAD")
    assert (head.headers["Content-Length"], head.body) == (str(len(JPEG)), b"")
    assert call(files, "/files/a.jpg", "DELETE").status == "405 Method Not Allowed"
