"""The server of the tests finds its Java, and ends when whoever started it is gone."""

import subprocess
import sys

import psutil
import pytest

from local.opensearch_server import find_java_home

pytestmark = pytest.mark.slow

STARTER = """
import os, signal, sys
from pathlib import Path
from local.opensearch_server import run
process = run(["sleep", "600"], dict(os.environ), Path(sys.argv[1]), user=None)
print(process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def java(tmp_path):
    """Makes a Java that claims a version."""

    def make(version):
        home = tmp_path / f"java-{version}"
        program = home / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(0o755)
        return home

    return make


def test_the_java_of_java_home_comes_first(java):
    home = java("21.0.2")
    assert find_java_home(21, {"JAVA_HOME": str(home), "PATH": str(java("25") / "bin")}) == home


def test_a_java_that_is_too_old_is_passed_over(java):
    old, new = java("17.0.15"), java("25-ea")
    found = find_java_home(21, {"JAVA_HOME": str(old), "PATH": str(new / "bin")})
    assert found == new


def test_no_java_is_new_enough_for_the_far_future(java):
    assert find_java_home(999, {"PATH": str(java("21") / "bin")}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_server_ends_with_a_parent_that_is_killed(tmp_path, eventually):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    server = psutil.Process(int(starter.stdout.readline()))
    assert server.is_running()
    starter.kill()
    starter.wait()
    starter.stdout.close()
    eventually(f"{server} ends", lambda: not lives(server))


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
