"""Downloads are complete and verified, or fail with a message."""

import hashlib
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesearch.domain.errors import ConfigurationError, ImageSearchError, NotFound, Unavailable
from imagesearch.downloads.http_download import ATTEMPTS, Downloader
from imagesearch.downloads.partial_file import PartialFile
from imagesearch.embedding.model_catalog import Pin
from tests.support.servers.file_server import FileServer

pytestmark = pytest.mark.slow

DATA = random.Random(1).randbytes(1_000_000)
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    made = FileServer()
    made.files["/x"] = DATA
    with made.running():
        yield made


@pytest.fixture
def pin(server: FileServer) -> Pin:
    return Pin(url=f"{server.url}/x", bytes=len(DATA), sha256=HASH)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "file"


def download(pin: Pin, to: Path) -> str:
    return Downloader(pause=lambda _: None).download(pin, to)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ranges(made: FileServer) -> list[str | None]:
    return [headers.get("range") for _, headers in made.requests]


def test_a_download_reports_progress(pin: Pin, to: Path) -> None:
    progress: list[int] = []
    assert Downloader(progress.append).download(pin, to) == HASH
    assert to.read_bytes() == DATA
    assert (progress, progress[-1]) == (sorted(progress), len(DATA))
    assert names(to.parent) == ["file"]


def test_a_lost_connection_resumes_the_download(pin: Pin, to: Path, server: FileServer) -> None:
    server.cuts = [300_000, 300_000]
    assert download(pin, to) == HASH
    assert len(server.requests) == 3
    begins = [int((requested or "bytes=0-")[6:-1]) for requested in ranges(server)]
    assert 0 == begins[0] < begins[1] < begins[2]
    assert server.requests[1][1]["if-range"] == '"one"'


def test_repeated_connection_losses_keep_the_received_bytes(
    pin: Pin, to: Path, server: FileServer
) -> None:
    server.cuts = [100_000] * ATTEMPTS
    with pytest.raises(Unavailable, match="broke") as caught:
        download(pin, to)
    assert "run again to resume" in caught.value.hint
    assert not to.exists()
    kept = PartialFile(to).size
    assert kept > 0
    assert download(pin, to) == HASH
    assert ranges(server)[-1] == f"bytes={kept}-"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_retried(status: int, pin: Pin, to: Path, server: FileServer) -> None:
    server.statuses = [status, status, 200]
    assert download(pin, to) == HASH


def test_a_server_without_range_requests_restarts_the_download(
    pin: Pin, to: Path, server: FileServer
) -> None:
    server.ranges, server.cuts = False, [300_000]
    assert download(pin, to) == HASH


def test_a_wrong_hash_leaves_no_file(pin: Pin, to: Path) -> None:
    wrong = pin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ConfigurationError, match=f"{HASH} instead of 000"):
        download(wrong, to)
    assert names(to.parent) == []


def test_a_damaged_partial_file_is_downloaded_again(pin: Pin, to: Path) -> None:
    (to.parent / "file.part").write_bytes(bytes(500_000))
    assert download(pin, to) == HASH


@pytest.mark.parametrize("size", [len(DATA), len(DATA) + 1])
def test_a_complete_partial_file_is_verified(size: int, pin: Pin, to: Path) -> None:
    (to.parent / "file.part").write_bytes(bytes(size))
    assert download(pin, to) == HASH
    assert to.read_bytes() == DATA


@pytest.mark.parametrize("size", [1, len(DATA) - 1, len(DATA) + 1, 2 * len(DATA)])
def test_a_file_of_another_size_is_reported_before_the_download(
    size: int, pin: Pin, to: Path
) -> None:
    with pytest.raises(ConfigurationError, match="1,000,000 bytes instead of"):
        download(pin.model_copy(update={"bytes": size}), to)
    assert names(to.parent) == []


def test_a_missing_file_is_named(server: FileServer, to: Path) -> None:
    with pytest.raises(NotFound, match=r"/nowhere does not exist .*404"):
        download(Pin(url=f"{server.url}/nowhere", bytes=1, sha256=HASH), to)
    assert len(server.requests) == 1


def test_a_client_error_is_not_retried(pin: Pin, to: Path, server: FileServer) -> None:
    server.statuses = [403]
    with pytest.raises(Unavailable, match=r"cannot download .*403"):
        download(pin, to)


def test_a_missing_network_is_reported_immediately(to: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pauses: list[float] = []
    pin = Pin(url=f"http://127.0.0.1:{port}/x", bytes=1, sha256=HASH)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached"):
        Downloader(pause=pauses.append).download(pin, to)
    assert not pauses


def test_redirects_are_followed_and_bounded(pin: Pin, to: Path, server: FileServer) -> None:
    server.redirects = {"/a": "/b", "/b": f"{server.url}/x", "/round": "/round"}
    assert download(pin.model_copy(update={"url": f"{server.url}/a"}), to) == HASH
    with pytest.raises(Unavailable, match="redirects more than 5 times"):
        download(pin.model_copy(update={"url": f"{server.url}/round"}), to.parent / "other")


@pytest.mark.parametrize("target", ["http://example.org/x", "file:///etc/passwd", "ftp://h/x"])
def test_redirects_from_https_to_http_are_rejected(
    target: str, pin: Pin, to: Path, server: FileServer
) -> None:
    server.redirects = {"/x": target}
    with pytest.raises(ConfigurationError, match="only https"):
        download(pin, to)


def test_http_is_rejected_for_remote_hosts(to: Path) -> None:
    with pytest.raises(ConfigurationError, match="only https"):
        download(Pin(url="http://example.org/x", bytes=1, sha256=HASH), to)


def test_a_full_disk_is_reported_before_anything_is_written(to: Path) -> None:
    partial = PartialFile(to)
    with pytest.raises(ConfigurationError, match=r"no space for file: .* are needed"):
        partial.require_space(1 << 60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_reported(pin: Pin, to: Path) -> None:
    (to.parent / "file.part").symlink_to("/dev/full")
    with pytest.raises(ConfigurationError, match="it is full") as caught:
        download(pin, to)
    assert caught.value.code == "disk_full"
    assert not to.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(pin: Pin, to: Path) -> None:
    to.parent.chmod(0o500)
    with pytest.raises(ImageSearchError, match="cannot write"):
        download(pin, to)
