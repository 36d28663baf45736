"""Downloads are complete and verified, or fail with a message."""

import hashlib
import math
import os
import random
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.domain.errors import ConfigurationError, ImageSearchError, NotFound, Unavailable
from imagesearch.downloads.http_download import MAX_WAIT_SECONDS, Downloader
from imagesearch.downloads.partial_file import PartialFile
from imagesearch.downloads.transfer import (
    MAX_BACKOFF,
    TransferInterrupted,
    backoff_seconds,
)
from imagesearch.embedding.model_catalog import Pin
from imagesearch.retry_after import retry_after_seconds
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


class PatientClock:
    """A downloader with `left` seconds, whose pauses take no time and are recorded."""

    def __init__(self, left: float, jitter: float = 0.0) -> None:
        self.left, self.jitter = left, jitter
        self.pauses: list[float] = []
        self.reasons: list[str] = []

    def download(self, pin: Pin, to: Path) -> str:
        return Downloader(
            pause=self._pause,
            waiting=lambda reason, _: self.reasons.append(reason),
            remaining=lambda: self.left,
            jitter=lambda: self.jitter,
        ).download(pin, to)

    def _pause(self, seconds: float) -> None:
        self.left -= seconds
        self.pauses.append(seconds)


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
    server.cuts = [100_000]
    with pytest.raises(Unavailable, match="broke") as caught:
        PatientClock(left=0).download(pin, to)
    assert "run again to resume" in caught.value.hint
    assert not to.exists()
    kept = PartialFile(to).size
    assert kept > 0
    assert download(pin, to) == HASH
    assert ranges(server)[-1] == f"bytes={kept}-"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_retried(status: int, pin: Pin, to: Path, server: FileServer) -> None:
    server.statuses = [status, status, 200]
    assert download(pin, to) == HASH


@pytest.mark.parametrize(
    ("wait", "seconds"), [("40", 40), ("0", 0), (timedelta(days=30), None), (timedelta(days=-1), 0)]
)
def test_the_server_decides_how_long_to_wait(
    wait: str | timedelta, seconds: float | None, pin: Pin, to: Path, server: FileServer
) -> None:
    value = wait if isinstance(wait, str) else format_datetime(datetime.now(UTC) + wait, True)
    server.statuses, server.error_headers = [429, 429], {"retry-after": value}
    clock = PatientClock(left=1000)
    if seconds is None:
        with pytest.raises(Unavailable, match=r"429 and Retry-After .*1000 s are left"):
            clock.download(pin, to)
        assert (clock.pauses, len(server.requests)) == ([], 1)
        return
    assert clock.download(pin, to) == HASH
    assert clock.pauses == [seconds, seconds]
    assert clock.reasons == [f"the server returned status 429 and Retry-After {seconds} s"] * 2


def test_downloads_continue_until_the_time_is_over_and_then_say_why(
    pin: Pin, to: Path, server: FileServer
) -> None:
    """With 569 seconds, which FetchModel has, far more than the former eight attempts."""
    server.statuses = [503] * 100
    clock = PatientClock(left=569)
    with pytest.raises(Unavailable, match=r"status 503; the next attempt is in 15 s") as caught:
        clock.download(pin, to)
    assert 20 < len(server.requests) < 100
    assert 0 <= clock.left < 30
    assert clock.pauses[:5] == [0.5, 1, 2, 4, 8]
    assert max(clock.pauses) == 15
    assert isinstance(caught.value.__cause__, TransferInterrupted)


def test_progress_resets_the_backoff(pin: Pin, to: Path, server: FileServer) -> None:
    server.statuses, server.cuts = [503, 503, 503, 200, 503], [100_000]
    clock = PatientClock(left=100)
    assert clock.download(pin, to) == HASH
    assert clock.pauses == [0.5, 1, 2, 0.5, 1]


def test_a_local_download_ends_after_an_hour_without_a_byte(
    pin: Pin, to: Path, server: FileServer
) -> None:
    server.statuses = [503] * 1000
    clock = PatientClock(left=math.inf)
    with pytest.raises(Unavailable, match="no new byte"):
        clock.download(pin, to)
    assert MAX_WAIT_SECONDS - 30 < sum(clock.pauses) <= MAX_WAIT_SECONDS


@given(
    retries=st.integers(0, 10_000),
    jitter=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.integers(0, 10**9),
)
def test_waits_are_bounded_and_never_shorter_than_requested(
    retries: int, jitter: float, asked: int | None
) -> None:
    header = None if asked is None else str(asked)
    busy = TransferInterrupted("busy", retry_after=retry_after_seconds(header))
    seconds = backoff_seconds(busy, retries, jitter)
    assert 0 < seconds <= MAX_BACKOFF if asked is None else asked <= seconds <= asked + 1


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
    assert len(server.requests) == 1


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
