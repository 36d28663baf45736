"""Claims: with `--json`, every command prints JSON lines and nothing else; where the reader of its
output has ended, it ends silently with the status of a process that SIGPIPE ended."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.options import CLOSED_PIPE
from tests.support.forked_commands import ForkedCommands
from tests.unit.local.test_help import COMMANDS

pytestmark = pytest.mark.slow

# Arguments with which each command prints something in a folder of two images, in this order.
ARGUMENTS = {
    "index": "pictures",
    "search": "red --all",
    "similar": "red.png --all",
    "list": "",
    "show": "red.png",
    "status": "",
    "classify": "pictures/red.png --labels red,blue",
    "duplicates": "",
    "verify": "pictures",
    "reindex": "--status",
    "labels put": "colors labels.txt",
    "labels list": "",
    "labels delete": "colors",
    "models list": "",
    "models verify": "starter",
    "tune": "",
    "adapters off": "",
    "feedback export": "",
    "feedback forget": "--before 2020-01-01",
}
# The status of commands that find nothing here.
WITHOUT_ROWS = {"verify": (0, False), "feedback export": (1, False)}
# `serve` reports nothing, and no adapter was fitted; tests/integration/commands/test_json.py runs
# those on AWS, and test_rejections.py and test_pulled_starter.py the self-test of models.
OTHERS = {
    *("serve", "push", "backfill", "redrive", "smoke"),
    *("adapters list", "adapters use", "adapters compare", "adapters history"),
    *("models pull", "models calibrate", "models compare"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "labels.txt").write_text("red\nblue\n")
    for name in ("pictures/red.png", "pictures/copy.png"):
        (home / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), "red").save(home / name)
    return home


def run(
    commands: ForkedCommands, home: Path, *words: str, **options: bool
) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"IMAGESEARCH_DATA_DIR": str(home / "data")}
    return commands.run(list(words), home, environment, **options)


def test_every_command_has_json_and_is_tried() -> None:
    assert ARGUMENTS.keys() | OTHERS == COMMANDS.keys()
    without = [
        name
        for name, command in COMMANDS.items()
        if "--json" not in [each for option in command.params for each in option.opts]
    ]
    assert without == ["serve"]


def test_every_command_prints_json_lines_and_nothing_else(
    commands: ForkedCommands, home: Path
) -> None:
    for name, arguments in ARGUMENTS.items():
        words = [*name.split(), *shlex.split(arguments)]
        done = run(commands, home, *words, "--json")
        rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(isinstance(row, dict) for row in rows)
        assert (done.returncode, bool(rows)) == WITHOUT_ROWS.get(name, (0, True)), done
        if name in {*WITHOUT_ROWS, "labels delete", "models verify"}:
            continue
        ended = run(commands, home, *words, "--json", without_reader=True)
        assert (ended.returncode, ended.stdout) == (CLOSED_PIPE, ""), ended
        assert "Traceback" not in ended.stderr
        assert "BrokenPipe" not in ended.stderr


def test_a_command_without_anything_to_list_says_so(commands: ForkedCommands, home: Path) -> None:
    assert run(commands, home, "index", "pictures").returncode == 0
    for words in (
        *("labels list", "list --rejected", "feedback export"),
        *("adapters list", "adapters history"),
    ):
        done = run(commands, home, *words.split())
        assert (done.returncode, done.stdout) == (1, ""), words
        assert done.stderr.startswith("imagesearch: no "), words


@pytest.mark.parametrize("words", ["--help", "models list --json", "--show-completion"])
def test_a_pipe_of_a_shell_ends_the_command(words: str, tmp_path: Path) -> None:
    command = shlex.quote(str(Path(sys.executable).with_name("imagesearch")))
    line = f"SHELL=/bin/bash {command} {words} | (exec 0<&-); echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env=os.environ | {"IMAGESEARCH_DATA_DIR": str(tmp_path)},
    )
    assert (done.stdout, done.stderr) == ("141\n", "")
