"""A model file is downloaded once, and its entry names the original hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesearch.downloads.http_download import Downloader, download_if_missing, entry_of
from imagesearch.embedding.int8_weights import signed
from imagesearch.embedding.model_catalog import Pin
from tests.support.models.tiny_model import unsigned_graph
from tests.support.servers.file_server import FileServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FileServer]:
    made = FileServer()
    made.files["/image.onnx"] = unsigned_graph()
    with made.running():
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.onnx"


def pin(server: FileServer) -> Pin:
    data = server.files["/image.onnx"]
    sha256 = hashlib.sha256(data).hexdigest()
    return Pin(url=f"{server.url}/image.onnx", bytes=len(data), sha256=sha256)


def test_a_local_file_with_the_pinned_hash_is_not_downloaded_again(
    server: FileServer, path: Path
) -> None:
    for _ in range(2):
        download_if_missing(pin(server), path, Downloader())
    assert len(server.requests) == 1


def test_a_local_file_with_another_hash_is_downloaded_again(server: FileServer, path: Path) -> None:
    path.write_bytes(b"of an earlier attempt")
    download_if_missing(pin(server), path, Downloader())
    assert path.read_bytes() == server.files["/image.onnx"]


def test_a_file_is_rewritten_like_its_bytes(path: Path) -> None:
    path.write_bytes(unsigned_graph())
    entry = entry_of(path, make_weights_signed=True)
    rewritten = path.read_bytes()
    assert rewritten == signed(unsigned_graph())
    assert entry.sha256 == hashlib.sha256(rewritten).hexdigest()
    assert entry.bytes == len(rewritten)
    assert entry.rewritten_from == hashlib.sha256(unsigned_graph()).hexdigest()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_rewritten_once(path: Path) -> None:
    path.write_bytes(unsigned_graph())
    first = entry_of(path, make_weights_signed=True)
    again = entry_of(path, make_weights_signed=True)
    assert (again.sha256, again.rewritten_from) == (first.sha256, None)


@pytest.mark.parametrize("data", [b"", b"no graph", unsigned_graph()[:-1]])
def test_an_unsupported_file_is_not_rewritten(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    entry = entry_of(path, make_weights_signed=True)
    assert entry.rewritten_from is None
    assert path.read_bytes() == data


def test_rewriting_can_be_disabled(path: Path) -> None:
    path.write_bytes(unsigned_graph())
    assert entry_of(path, make_weights_signed=False).rewritten_from is None
    assert path.read_bytes() == unsigned_graph()
