"""The OpenSearch server for tests: a container without Maven, Java selection, and shutdown.

A fake `docker` records its calls. The server stops with its parent process.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import psutil
import pytest

from local.opensearch.server import VERSION, find_java_home
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

# Like `docker run` in the foreground: output, exit status and signals are those of the container.
STAND_IN = """
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

def note(*said):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(said) + "\\n")

def end(number, _):
    note("ended by", number)
    os._exit(128 + number)

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

signal.signal(signal.SIGTERM, end)
note(*sys.argv[1:])
if sys.argv[1] == "info":
    sys.exit(int(os.environ.get("WITHOUT_ENGINE", 0)))
if trouble := os.environ.get("TROUBLE"):
    print("docker: Error response from daemon:", trouble, file=sys.stderr)
    sys.exit(125)
host, port, _ = sys.argv[sys.argv.index("--publish") + 1].split(":")
HTTPServer((host, int(port)), Healthy).serve_forever()
"""


class Docker:
    """A machine with only the fake `docker` in PATH; `calls` are its recorded calls."""

    def __init__(self, folder):
        self.folder, self._notes, self.started = folder, folder / "notes", []
        script = folder / "stand_in.py"
        script.write_text(STAND_IN)
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        program.chmod(0o755)

    def make_opensearch(self, path=None, **more):
        """`make opensearch`, as a process."""
        command = [sys.executable, "-m", "local.opensearch.server"]
        environ = {"PATH": f"{path or self.folder}", "NOTES": f"{self._notes}", **more}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.started.append(subprocess.Popen(command, env=environ, **pipes))
        return self.started[-1]

    @property
    def calls(self):
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def close(self):
        for process in self.started:
            process.terminate()
            process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def docker(tmp_path):
    docker = Docker(tmp_path)
    yield docker
    docker.close()


def test_a_container_serves_at_the_printed_url(docker):
    url = docker.make_opensearch().stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    assert urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).status == 200  # noqa: S310
    info, run = docker.calls
    assert info == ("info",)
    port = url.removeprefix("http://127.0.0.1:")
    assert run[:4] == ("run", "--rm", "--publish", f"127.0.0.1:{port}:9200")
    assert run[-1] == f"opensearchproject/opensearch:{VERSION}"
    given = {run[place + 1] for place, flag in enumerate(run) if flag == "--env"}
    assert given >= {"discovery.type=single-node", "DISABLE_SECURITY_PLUGIN=true"}
    assert "action.auto_create_index=false" in given


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_the_container_stops_with_its_parent_process(docker, way):
    starter = docker.make_opensearch()
    starter.stdout.readline()
    starter.send_signal(way)
    assert starter.wait(PATIENCE_SECONDS) == 0
    assert docker.calls[-1] == ("ended by", signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_container_stops_when_its_parent_process_is_killed(docker, eventually):
    starter = docker.make_opensearch()
    starter.stdout.readline()
    starter.kill()
    ended = ("ended by", signal.SIGTERM)
    eventually("the container ends", lambda: docker.calls[-1] == ended)


def test_a_container_start_failure_is_reported_with_the_output_of_docker(docker):
    starter = docker.make_opensearch(TROUBLE="port is already allocated")
    out, err = starter.communicate(timeout=PATIENCE_SECONDS)
    assert (starter.returncode, out) == (1, "")
    assert "port is already allocated" in err


def test_docker_without_its_engine_is_not_used(docker):
    starter = docker.make_opensearch(WITHOUT_ENGINE="1")
    out, err = starter.communicate(timeout=PATIENCE_SECONDS)
    assert (starter.returncode, out) == (1, "")
    assert "Docker with its engine running" in err
    assert docker.calls == [("info",)]


def test_a_machine_without_maven_and_docker_gets_a_hint(docker):
    starter = docker.make_opensearch(path=os.devnull)
    out, err = starter.communicate(timeout=PATIENCE_SECONDS)
    assert (starter.returncode, out) == (1, "")
    assert "Maven" in err
    assert "OPENSEARCH_URL" in err
    assert docker.calls == []


pytestmark = pytest.mark.slow

STARTER = """
import os, signal, sys
from pathlib import Path
from local.opensearch.server import run
process = run(["sleep", "600"], dict(os.environ), Path(sys.argv[1]), user=None)
print(process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def java(tmp_path):
    """Creates a fake Java of a version."""

    def make(version):
        home = tmp_path / f"java-{version}"
        program = home / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(0o755)
        return home

    return make


def test_java_home_takes_precedence(java):
    home = java("21.0.2")
    assert find_java_home(21, {"JAVA_HOME": str(home), "PATH": str(java("25") / "bin")}) == home


def test_an_outdated_java_is_skipped(java):
    old, new = java("17.0.15"), java("25-ea")
    found = find_java_home(21, {"JAVA_HOME": str(old), "PATH": str(new / "bin")})
    assert found == new


def test_no_java_satisfies_an_impossible_version(java):
    assert find_java_home(999, {"PATH": str(java("21") / "bin")}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_server_stops_when_its_parent_process_is_killed(tmp_path, eventually):
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
