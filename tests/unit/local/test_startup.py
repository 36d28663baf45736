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
PROGRAM = f"""
import json, sys
from local.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(set(sys.modules) & set({HEAVY}))), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: " ".join(command) or "imagesearch"
)
def test_help_imports_no_heavy_library(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")
    assert set(json.loads(done.stderr)) <= (OF_TYPER if command else set())


def test_every_command_is_tried() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from local.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
    )
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert {line.split()[0] for line in listed} == {command[0] for command in COMMANDS[1:]}
