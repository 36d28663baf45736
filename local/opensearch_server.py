"""A real OpenSearch on this machine for tests and trials, without Docker where there is Java.

`python -m local.opensearch_server` prints its address and runs until Ctrl-C.
"""

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.opensearch_install import HASHES, CannotStart
from local.opensearch_process import start

VERSION = "3.5.0"
# Without a new line in its log: a machine that is very busy takes minutes.
SILENT_SECONDS = 300.0
STOP_SECONDS = 30.0
LOG_TAIL = 3000


class OpenSearchServer:
    """A server of a folder and a port: both stay its own when it ends and is started again."""

    def __init__(
        self, folder: Path, version: str = VERSION, port: int = 0, java_options: str = ""
    ) -> None:
        self.folder = folder
        self._version = version
        self._java_options = java_options
        self._port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when it answers; raises CannotStart."""
        log = self.folder / "server.log"
        self._process = start(self._version, self._port, self.folder, log, self._java_options)
        _wait_until_ready(self.url, self._process, log)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process:
            _stop(self._process)

    def kill(self) -> None:
        """End it as a failing machine does: it has no moment left to save anything."""
        if self._process:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_server(version: str = VERSION, port: int = 0, java_options: str = "") -> Iterator[str]:
    """The address of a fresh, empty server; port 0 takes a free one. Raises CannotStart."""
    folder = Path(tempfile.mkdtemp(prefix="imagesearch-opensearch-run-"))
    server = OpenSearchServer(folder, version, port, java_options)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    said, heard = 0, time.monotonic()
    while not _answers(url):
        if (size := log.stat().st_size) != said:
            said, heard = size, time.monotonic()
        if process.poll() is not None or time.monotonic() - heard > SILENT_SECONDS:
            tail = log.read_text(errors="replace")[-LOG_TAIL:]
            raise CannotStart(f"OpenSearch did not come up at {url}; its log ends with:\n{tail}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        health = f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s"
        with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a real OpenSearch until Ctrl-C.")
    parser.add_argument("--port", type=int, default=0, help="a free one if not given")
    parser.add_argument("--version", choices=sorted(HASHES), default=VERSION)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_server(given.version, given.port) as url:
            print(url, flush=True)  # noqa: T201
            signal.pause()
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
