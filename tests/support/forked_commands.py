"""The command line in forked processes with preloaded modules, which start faster.

A server process loads `local.cli` once, and runs each command in a fork with its own working
directory, environment, files and exit status, as a shell does. A client connects to the server's
socket, sends the request as JSON and its standard files as descriptors, and receives the status.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Modules that commands import when called, with their libraries.
PRELOADED = (
    "local.cli",
    "local.aws.clients",
    "local.endpoint",
    "local.lambda_runtime",
    "local.models.calibration",
    "local.models.choice",
    "local.models.puller",
    "local.terminal.output",
    "local.sync.initial_indexing",
    "imagesearch.bootstrap",
    "imagesearch.embedding.image_encoder",
    "imagesearch.embedding.text_encoder",
    "imagesearch.indexing.consistency",
    "rich.table",
)
MOST_BYTES = 2**20
# `imagesearch` for shells: a client of the server that starts in milliseconds.
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(request).encode() + b"\\n"], [0, 1, 2])
    sys.exit(int(server.recv(9)))
"""


class ForkedCommands:
    """Runs `imagesearch` with arguments."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.address = str(Path(self._folder.name) / "socket")
        self._server = subprocess.Popen(
            [sys.executable, __file__, self.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._server.stdout
        assert self._server.stdout.readline() == b"ready\n"

    def run(
        self,
        arguments: list[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        *,
        without_reader: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        """With `without_reader`, standard output is a pipe whose reader has ended."""
        request = {
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": dict(os.environ if environment is None else environment),
        }
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            Path(os.devnull).open() as nothing,
            _broken_pipe() as broken,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.connect(self.address)
            files = [nothing.fileno(), broken if without_reader else out.fileno(), err.fileno()]
            socket.send_fds(server, [json.dumps(request).encode() + b"\n"], files)
            status = int(server.recv(9))
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(arguments, status, *texts)

    def write_client(self, path: Path) -> None:
        """Write a program with the arguments of `imagesearch`."""
        path.write_text(CLIENT.format(python=sys.executable, address=self.address))
        path.chmod(0o755)

    def close(self) -> None:
        """Without waiting for a command that still runs."""
        for pipe in (self._server.stdin, self._server.stdout):
            assert pipe
            pipe.close()
        self._server.wait()
        self._folder.cleanup()


@contextlib.contextmanager
def _broken_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def _serve(address: str) -> None:
    """Serve until standard input ends."""
    before = set(os.environ)
    for module in PRELOADED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)  # noqa: T201
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            _serve_one(listening, before)


def _serve_one(listening: socket.socket, inherited: set[str]) -> None:
    connection, _ = listening.accept()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        data, files, *_ = socket.recv_fds(connection, MOST_BYTES, 3)
        while not data.endswith(b"\n"):
            data += connection.recv(MOST_BYTES)
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(json.loads(data), files, inherited)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            connection.sendall(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    connection.close()


def _become(request: dict[str, Any], files: list[int], inherited: set[str]) -> None:
    """Run the command in this process and exit. Environment variables set by modules are kept."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(request["cwd"])
    for name in inherited - set(request["environment"]):
        os.environ.pop(name, None)
    os.environ.update(request["environment"])
    sys.argv = ["imagesearch", *request["arguments"]]
    status = 1
    try:
        sys.modules["local.cli"].main()  # type: ignore[attr-defined]
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
