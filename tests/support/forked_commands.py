"""The command line in forked processes with preloaded modules, which start faster.

A server process loads `local.cli` once, and runs each command in a fork with its own working
directory, environment, output and exit status, as a shell does.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Modules that commands import when called, with their libraries.
PRELOADED = (
    "local.cli",
    "local.aws",
    "local.endpoint",
    "local.lambda_runtime",
    "local.models",
    "local.output",
    "local.sync.initial_indexing",
    "imagesearch.bootstrap",
    "imagesearch.embedding.image_encoder",
    "imagesearch.embedding.text_encoder",
    "imagesearch.indexing.consistency",
    "rich.table",
)


class ForkedCommands:
    """Runs `imagesearch` with arguments. Not thread-safe.

    With `without_reader`, standard output is a pipe whose reader has ended.
    """

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        arguments: list[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        *,
        without_reader: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        assert self._server.stdin
        assert self._server.stdout
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("out", "err")]
            request = {
                "arguments": arguments,
                "cwd": str(cwd),
                "environment": dict(os.environ if environment is None else environment),
                "files": [str(file) for file in files],
                "without_reader": without_reader,
            }
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            status = json.loads(self._server.stdout.readline())
            texts = [file.read_text("utf-8") for file in files]
        return subprocess.CompletedProcess(arguments, status, *texts)

    def close(self) -> None:
        self._server.communicate()


def _serve(inherited: set[str]) -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line), inherited)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _become(request: dict[str, Any], inherited: set[str]) -> None:
    """Run the command in this process and exit. Environment variables set by modules are kept."""
    files = [os.open(path, os.O_WRONLY | os.O_CREAT) for path in request["files"]]
    if request["without_reader"]:
        reader, files[0] = os.pipe()
        os.close(reader)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for standard, file in enumerate((nothing, *files)):
        os.dup2(file, standard)
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
    before = set(os.environ)
    for module in PRELOADED:
        importlib.import_module(module)
    _serve(before)
