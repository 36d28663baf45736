"""The server takes what a signed form brings, whole or not at all, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.images import ImageRef
from local.web import uploads
from local.web.uploads import Uploads


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


def test_a_signed_form_brings_its_file(send, sign, folder):
    assert send(sign(), b"\xff\xd8\xff data").status == "204 No Content"
    assert files(folder) == {"2024/a.jpg": b"\xff\xd8\xff data"}


def test_nothing_is_overwritten(send, sign, folder):
    fields = sign()
    send(fields, b"first")
    answer = send(fields, b"second")
    assert answer.status == "409 Conflict"
    assert files(folder) == {"2024/a.jpg": b"first"}


@pytest.mark.parametrize(
    "change",
    [{"key": "b.jpg"}, {"Content-Type": "text/html"}, {"signature": "0" * 64}, {"policy": "e30="}],
)
def test_a_changed_form_is_refused(send, sign, folder, change):
    assert send(sign() | change).status == "403 Forbidden"
    assert files(folder) == {}


def test_a_form_whose_time_is_over_is_refused(send, sign, folder):
    assert send(sign(age=timedelta(hours=1))).status == "403 Forbidden"
    assert files(folder) == {}


@pytest.mark.parametrize("key", ["../a.jpg", ".a.jpg", "a/../../b.jpg", "/etc/a.jpg"])
def test_even_a_signed_key_does_not_lead_out_of_the_folder(send, sign, folder, key):
    assert send(sign(key)).status == "403 Forbidden"
    assert files(folder.parent) == {
        name: data for name, data in files(folder.parent).items() if name.startswith("data/")
    }


def test_an_empty_file_is_refused(send, sign, folder):
    assert send(sign(), b"").status == "400 Bad Request"
    assert files(folder) == {}


def test_a_file_that_is_too_large_is_refused(send, sign, folder, monkeypatch):
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 1_000)
    assert send(sign(), b"x" * 1_000).status == "204 No Content"
    assert send(sign("b.jpg"), b"x" * 1_001).status == "413 Request Entity Too Large"
    assert list(files(folder)) == ["2024/a.jpg"]


def test_what_is_cut_short_leaves_nothing(call, sign, changes, folder):
    request = httpx.Request("POST", "http://x/", data=sign(), files={"file": b"x" * 100_000})
    body, content_type = request.read()[:-50_000], request.headers["content-type"]
    app = Uploads(FolderStore(folder), changes)
    answer = call(app, UPLOAD_URL, "POST", body, CONTENT_TYPE=content_type)
    assert answer.status == "400 Bad Request"
    assert files(folder) == {}


def test_only_forms_are_taken(call, send, sign, folder, changes):
    app = Uploads(FolderStore(folder), changes)
    assert call(app, UPLOAD_URL, "POST", b"{}").status == "400 Bad Request"
    assert send(sign(), method="PUT").status == "405 Method Not Allowed"


def test_a_folder_that_cannot_be_written_is_unavailable(send, sign, folder):
    (folder / "2024").touch()
    assert send(sign()).status == "503 Service Unavailable"
