"""An image uploaded to the local server becomes searchable, and a deleted one does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.handlers import begin_upload, send_form
from tests.support.waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]
Serve = Callable[[Path], Any]


@pytest.fixture
def live(few: Path, serve: Serve) -> Any:
    return serve(few).start("--allow-uploads", "--allow-delete").ready()


@pytest.fixture
def ask(live: Any) -> Callable[..., Any]:
    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, live.url + path, json=body, timeout=PATIENCE_SECONDS)
        assert answer.is_success, answer.text
        return answer.json()

    return ask


@pytest.fixture
def parrot(samples: list[Path]) -> bytes:
    return next(path for path in samples if "parrot" in path.name).read_bytes()


def test_an_uploaded_image_is_found_and_a_deleted_one_is_not(
    live: Any, ask: Any, parrot: bytes, eventually: Eventually
) -> None:
    started = begin_upload(ask, "polly.webp", collection="new")
    assert send_form(started, parrot, live.url) == 204
    path = f"/v1/images/{started['id']}"
    assert ask("GET", path)["status"] in ("pending", "indexed")
    eventually("it is indexed", lambda: ask("GET", path)["status"] == "indexed")
    eventually("it is found", lambda: live.keys("a parrot")[0] == started["key"])
    record = ask("GET", path)
    assert live.fetch(record["url"]) == parrot
    assert live.fetch(record["thumbnail_url"]).startswith(b"\xff\xd8\xff")
    assert ask("DELETE", path) == {"id": started["id"], "key": started["key"]}
    eventually("it is deleted", lambda: started["key"] not in live.keys("a parrot"))
    gone = httpx.get(live.url + record["thumbnail_url"], timeout=PATIENCE_SECONDS)
    assert gone.status_code == 404
    [kept] = live.data_dir.glob("*/derived/deleted/*")
    assert kept.read_bytes() == parrot


def test_an_upload_overwrites_nothing(live: Any, ask: Any, parrot: bytes) -> None:
    started = begin_upload(ask, "polly.webp")
    assert send_form(started, parrot, live.url) == 204
    assert send_form(started, b"other", live.url) == 409
    assert begin_upload(ask, "polly.webp")["key"] != started["key"]


def test_a_modified_form_is_rejected(live: Any, ask: Any, parrot: bytes) -> None:
    started = begin_upload(ask, "polly.webp")
    assert send_form(started, parrot, live.url, key="animals/owl.webp") == 403
    assert send_form(started, parrot, live.url, Content_Type="text/html") == 403
    assert "animals/owl.webp" in live.keys("an owl")


def test_an_upload_is_limited_to_64_megabytes(live: Any, ask: Any) -> None:
    largest = bytes(64 * 2**20)
    started = begin_upload(ask, "zeros.webp")
    assert send_form(started, largest, live.url) == 204
    assert send_form(begin_upload(ask, "more.webp"), largest + b"x", live.url) == 413
    assert not list(live.folder.glob(".upload-*"))


def test_a_folder_is_read_only_by_default(few: Path, serve: Serve) -> None:
    shut = serve(few).start().ready()
    upload = {"name": "a.webp", "content_type": "image/webp"}
    with httpx.Client(base_url=shut.url, timeout=PATIENCE_SECONDS) as client:
        assert client.post("/v1/images", json=upload).status_code == 403
        [owl] = [image for key, image in shut.listed().items() if key == "animals/owl.webp"]
        assert client.delete(f"/v1/images/{owl['id']}").status_code == 403
        assert client.post("/upload", files={"file": b"data"}).status_code == 403
    assert (few / "animals/owl.webp").exists()
