"""Claims: a running server of a workspace is found, and one that ended in any way is not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.running_server import FILE, announced, running_server

URL = "http://127.0.0.1:8123"


def test_a_server_is_found_while_it_runs(tmp_path: Path) -> None:
    assert running_server(tmp_path) is None
    with announced(tmp_path, URL):
        assert running_server(tmp_path) == URL
    assert running_server(tmp_path) is None


def test_a_shorter_address_replaces_a_longer_one(tmp_path: Path) -> None:
    with announced(tmp_path, URL + "0"):
        pass
    with announced(tmp_path, URL):
        assert running_server(tmp_path) == URL


def test_the_first_of_two_servers_stays_announced(tmp_path: Path) -> None:
    with announced(tmp_path, URL), announced(tmp_path, "http://127.0.0.1:9"):
        assert running_server(tmp_path) == URL


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"url": '])
def test_a_damaged_file_is_no_server(tmp_path: Path, content: str) -> None:
    with announced(tmp_path, URL):
        (tmp_path / FILE).write_text(content)
        assert running_server(tmp_path) is None


def test_a_server_without_a_writable_workspace_is_not_announced(tmp_path: Path) -> None:
    with announced(tmp_path / "missing", URL):
        assert running_server(tmp_path / "missing") is None


def test_errors_of_the_server_are_raised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no route"), announced(tmp_path, URL):
        raise OSError("no route")


@pytest.mark.slow
def test_a_killed_server_is_not_found(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from local.running_server import announced\n"
        "with announced(pathlib.Path(sys.argv[1]), sys.argv[2]):\n"
        "    print('announced', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), URL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert running_server(tmp_path) == URL
        os.kill(process.pid, signal.SIGKILL)
    assert json.loads((tmp_path / FILE).read_text()) == {"url": URL}
    assert running_server(tmp_path) is None
