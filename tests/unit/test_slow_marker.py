"""A unit test that is not marked as slow cannot start a process, listen or load a model."""

import socket
import subprocess
import sys

import pytest

from imagesearch.embedding.session import open_session

LINE = [sys.executable, "-c", ""]


def test_a_fast_test_starts_no_process():
    with pytest.raises(RuntimeError, match=r"subprocess\.Popen: a fast test"):
        subprocess.run(LINE)


def test_a_fast_test_listens_to_no_socket():
    with (
        socket.socket() as listening,
        pytest.raises(RuntimeError, match=r"socket\.bind: a fast test"),
    ):
        listening.bind(("127.0.0.1", 0))


def test_a_fast_test_loads_no_model():
    with pytest.raises(RuntimeError, match="onnxruntime session: a fast test"):
        open_session(b"", 1)


@pytest.mark.slow
def test_a_slow_test_is_not_restricted():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
    assert subprocess.run(LINE).returncode == 0
