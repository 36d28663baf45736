"""The server stores the file of a signed form completely or not at all.

Forms are parsed in chunks of any size, and invalid forms are rejected.
"""

import io
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.images import ImageRef
from local.web import uploads
from local.web.uploads import BadForm, MultipartForm, Uploads


@pytest.fixture
def changes(folder, tmp_path) -> FolderChanges:
    return FolderChanges(folder, tmp_path / "data")


@pytest.fixture
def sign(changes, store):
    def sign(key="2024/a.jpg", age=timedelta()):
        ref = ImageRef(store.bucket, key)
        form = changes.upload_form(ref, "image/jpeg", {}, datetime.now(UTC) - age)
        return dict(form.fields)

    return sign


@pytest.fixture
def send(call, folder, changes):
    app = Uploads(FolderStore(folder), changes)

    def send(fields, file=b"data", method="POST"):
        request = httpx.Request("POST", "http://x/", data=fields, files={"file": file})
        body, content_type = request.read(), request.headers["content-type"]
        return call(app, UPLOAD_URL, method, body, CONTENT_TYPE=content_type)

    return send


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_signed_form_stores_its_file(send, sign, folder):
    assert send(sign(), b"\xff\xd8\xff data").status == "204 No Content"
    assert files(folder) == {"2024/a.jpg": b"\xff\xd8\xff data"}


def test_existing_files_are_not_overwritten(send, sign, folder):
    fields = sign()
    send(fields, b"first")
    answer = send(fields, b"second")
    assert answer.status == "409 Conflict"
    assert files(folder) == {"2024/a.jpg": b"first"}


@pytest.mark.parametrize(
    "change",
    [{"key": "b.jpg"}, {"Content-Type": "text/html"}, {"signature": "0" * 64}, {"policy": "e30="}],
)
def test_a_modified_form_is_rejected(send, sign, folder, change):
    assert send(sign() | change).status == "403 Forbidden"
    assert files(folder) == {}


def test_an_expired_form_is_rejected(send, sign, folder):
    assert send(sign(age=timedelta(hours=1))).status == "403 Forbidden"
    assert files(folder) == {}


@pytest.mark.parametrize("key", ["../a.jpg", ".a.jpg", "a/../../b.jpg", "/etc/a.jpg"])
def test_a_signed_key_outside_the_folder_is_rejected(send, sign, folder, key):
    assert send(sign(key)).status == "403 Forbidden"
    assert files(folder.parent) == {
        name: data for name, data in files(folder.parent).items() if name.startswith("data/")
    }


def test_an_empty_file_is_rejected(send, sign, folder):
    assert send(sign(), b"").status == "400 Bad Request"
    assert files(folder) == {}


def test_a_file_over_the_size_limit_is_rejected(send, sign, folder, monkeypatch):
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 1_000)
    assert send(sign(), b"x" * 1_000).status == "204 No Content"
    assert send(sign("b.jpg"), b"x" * 1_001).status == "413 Request Entity Too Large"
    assert list(files(folder)) == ["2024/a.jpg"]


def test_a_truncated_upload_leaves_no_file(call, sign, changes, folder):
    request = httpx.Request("POST", "http://x/", data=sign(), files={"file": b"x" * 100_000})
    body, content_type = request.read()[:-50_000], request.headers["content-type"]
    app = Uploads(FolderStore(folder), changes)
    answer = call(app, UPLOAD_URL, "POST", body, CONTENT_TYPE=content_type)
    assert answer.status == "400 Bad Request"
    assert files(folder) == {}


def test_only_forms_are_accepted(call, send, sign, folder, changes):
    app = Uploads(FolderStore(folder), changes)
    assert call(app, UPLOAD_URL, "POST", b"{}").status == "400 Bad Request"
    assert send(sign(), method="PUT").status == "405 Method Not Allowed"


def test_an_unwritable_folder_is_unavailable(send, sign, folder):
    (folder / "2024").touch()
    assert send(sign()).status == "503 Service Unavailable"


class ChunkedStream(io.RawIOBase):
    """A stream that returns at most `size` bytes per read."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, most: int = -1) -> bytes:
        return self._data.read(min(self._size, most))


def posted(fields: dict[str, str], file: bytes) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://x/", data=fields, files={"file": ("a.jpg", file)})
    return request.read(), request.headers["content-type"]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1 << 20])
@pytest.mark.parametrize("file", [b"", b"x", b"\r\n--", b"\r\n" * 50, bytes(range(256)) * 300])
def test_fields_and_file_are_parsed_unchanged(size, file):
    fields = {"key": "2024/ü ☃.jpg", "empty": "", "lines": "a\r\nb"}
    body, content_type = posted(fields, file)
    form = MultipartForm(ChunkedStream(body, size), content_type)
    assert form.fields == fields
    assert b"".join(form.file()) == file


def test_a_large_file_is_not_buffered_in_memory(monkeypatch):
    file = b"x" * (8 * uploads.BLOCK)
    body, content_type = posted({"key": "a"}, file)
    blocks = list(MultipartForm(io.BytesIO(body), content_type).file())
    assert max(map(len, blocks)) <= 2 * uploads.BLOCK
    assert b"".join(blocks) == file


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
def test_a_body_of_another_content_type_is_rejected(content_type):
    with pytest.raises(BadForm):
        MultipartForm(io.BytesIO(b"--x\r\n"), content_type)


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"--x", b"--x--\r\n", b"--x\r\n\r\nno name\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n'
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nb\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n' + b"a" * 40_000 + b"\r\n--x--",
     b"--x\r\nA: " + b"a" * 10_000],
)  # fmt: skip
def test_a_form_without_a_file_is_rejected(body):
    with pytest.raises(BadForm):
        MultipartForm(io.BytesIO(body), "multipart/form-data; boundary=x")


def test_a_truncated_file_part_is_rejected():
    body, content_type = posted({"key": "a"}, b"data")
    form = MultipartForm(io.BytesIO(body[:-20]), content_type)
    with pytest.raises(BadForm, match="Unexpected end"):
        list(form.file())


def test_a_content_type_that_is_expensive_to_parse_is_rejected_immediately():
    content_type = 'multipart/form-data; a="' + ";" * 240_000
    started = time.process_time()
    with pytest.raises(BadForm):
        MultipartForm(io.BytesIO(b""), content_type)
    assert time.process_time() - started < 5
