"""`--help` of every command is fast and imports no heavy library."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAVY = ("numpy", "pydantic", "onnxruntime", "httpx", "boto3", "PIL", "rich", "opensearchpy")
# typer validates global options with pydantic before it calls a command.
OF_TYPER = {"pydantic"}
COMMANDS = [
    [],
    ["serve"],
    ["index"],
    ["push"],
    ["backfill"],
    ["redrive"],
    ["search"],
    ["similar"],
    ["list"],
    ["show"],
    ["status"],
    ["classify"],
    ["duplicates"],
    ["reindex"],
    ["tune"],
    ["adapters"],
    ["smoke"],
    ["verify"],
    ["feedback"],
    ["feedback", "export"],
    ["labels"],
    ["labels", "put"],
    ["labels", "list"],
    ["labels", "delete"],
    ["models"],
    ["models", "list"],
    ["models", "compare"],
    ["models", "pull"],
    ["models", "verify"],
]
# Prints the outcome of each command, in a fork of a process that imported the command line only.
# After the first command it imports pydantic, too: typer does so in each of the others.
PROGRAM = f"""
import contextlib, io, json, os, sys, traceback
from local.cli import main

def outcome(command):
    sys.argv = ["imagesearch", *command, "--help"]
    out, status = io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(out):
            main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        status = traceback.format_exc()
    return [status, out.getvalue(), sorted(set(sys.modules) & set({HEAVY}))]

for command in json.loads(sys.argv[1]):
    if os.fork() == 0:
        print(json.dumps(outcome(command)), flush=True)
        os._exit(0)
    os.wait()
    from pydantic import TypeAdapter
"""
# Exit status or error, output and imported heavy libraries.
Outcome = tuple[int | str, str, list[str]]


@pytest.fixture(scope="module")
def helps() -> dict[str, Outcome]:
    """The outcome of `--help` by command."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = [" ".join(command) for command in COMMANDS]
    return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: " ".join(command) or "imagesearch"
)
def test_help_imports_no_heavy_library(command: list[str], helps: dict[str, Outcome]) -> None:
    status, text, heavy = helps[" ".join(command)]
    assert status == 0, status
    assert text.startswith("Usage: ")
    assert set(heavy) <= (OF_TYPER if command else set())


def test_every_command_is_tried(helps: dict[str, Outcome]) -> None:
    listed = helps[""][1].partition("Commands:\n")[2].splitlines()
    assert {line.split()[0] for line in listed} == {command[0] for command in COMMANDS[1:]}
