"""The command blocks of README and docs work: every block without a marker is run."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND, reset_to_few
from tests.support.command_blocks import Block, blocks
from tests.support.forked_commands import ForkedCommands
from tests.support.paths import REPOSITORY, SAMPLES
from tests.support.waiting import PATIENCE_SECONDS, run

BLOCKS = list(blocks())
RUN = [block for block in BLOCKS if not block.marker]
SERVE = [
    line.partition("  #")[0].strip()
    for block in BLOCKS
    if block.marker == "serves"
    for line in block.text.splitlines()
]
ADDRESS = "http://127.0.0.1:8000"
# A curl that fails on HTTP errors and prints no progress.
CURL = 'curl() { command curl --silent --show-error --fail-with-body "$@" && echo; }\n'

Eventually = Callable[..., None]


@dataclass(frozen=True)
class Place:
    """Working directory of the blocks: the samples and photo.jpg, and photos in ~/Pictures."""

    folder: Path
    url: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def place(
    serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory, commands: ForkedCommands
) -> Place:
    folder = tmp_path_factory.mktemp("docs")
    programs = tmp_path_factory.mktemp("programs")
    commands.write_client(programs / "imagesearch")
    shutil.copyfile(SAMPLES / "animals/owl.webp", folder / "photo.jpg")
    home = folder / "home"
    for images in (folder / "samples", home / "Pictures"):
        reset_to_few(images)
    # Searches for a parrot and for duplicates find something: otherwise the exit status is 1.
    for name in ("parrot.webp", "copy.webp"):
        parrot = SAMPLES / "animals/scarlet-macaw-parrot.webp"
        shutil.copyfile(parrot, home / "Pictures/animals" / name)
    served = serve(folder / "samples").start("--allow-uploads").ready()
    found = served.get("/v1/search", q="an owl", feedback="true")
    environment = os.environ | {
        "HOME": str(home),
        "IMAGESEARCH_DATA_DIR": str(served.data_dir),
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ID": found["hits"][0]["id"],
        "SEARCH_ID": found["search_id"],
    }
    done = commands.run(["index", str(home / "Pictures")], folder, environment)
    assert done.returncode == 0, done.stderr
    return Place(folder, served.url, environment)


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_ends_with_status_0(block: Block, place: Place) -> None:
    text = block.text.replace(ADDRESS, place.url).replace("REPOSITORY", str(REPOSITORY))
    command = {
        "python": [sys.executable, "-c", text],
        "sh": ["bash", "-euo", "pipefail", "-c", CURL + text],
    }[block.language]
    done = run(command, cwd=place.folder, env=place.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    if block.language == "sh" and "curl " in text:
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert len(answers) >= text.count("curl ")
        assert not any("error" in one for each in answers for one in each.get("results", [each]))


def test_a_served_block_becomes_ready_and_stops_without_a_traceback(
    few: Path, eventually: Eventually
) -> None:
    command = next(line for line in SERVE if line.startswith("make run FOLDER="))
    words = [f"FOLDER={few}" if word.startswith("FOLDER=") else word for word in command.split()]
    with subprocess.Popen(
        [*words, "PORT=0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Not as a child of the `make` that runs the tests.
        env={name: os.environ[name] for name in os.environ if not name.startswith("MAKE")},
        start_new_session=True,
    ) as making:
        assert making.stdout
        assert making.stderr
        assert making.stdout.readline().startswith("ready http://127.0.0.1:")
        os.killpg(making.pid, signal.SIGINT)
        making.wait(PATIENCE_SECONDS)
        assert "Traceback" not in making.stderr.read()


@pytest.mark.parametrize("command", [each for each in SERVE if "imagesearch serve" in each])
def test_a_serve_line_starts(command: str, place: Place, few: Path) -> None:
    words = [str(few) if word == "~/Pictures" else word for word in shlex.split(command)]
    settings = dict(word.split("=", 1) for word in words[: words.index("imagesearch")])
    # Not in a fork: the signal has to reach the server.
    line = [COMMAND, *words[words.index("imagesearch") + 1 :], "--port", "0"]
    with subprocess.Popen(
        line,
        cwd=place.folder,
        env=place.environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stdout
        assert serving.stdout.readline().startswith("ready http://")
        serving.terminate()
        assert serving.wait(PATIENCE_SECONDS) == 0


def test_every_server_line_is_tested() -> None:
    assert [
        line
        for line in SERVE
        if not line.startswith("make run") and "imagesearch serve" not in line
    ] == []


def test_the_readme_contains_the_two_commands() -> None:
    readme = [block for block in BLOCKS if block.page == REPOSITORY / "README.md"]
    lines = [
        line.partition("  #")[0].strip() for block in readme for line in block.text.splitlines()
    ]
    assert {"make run", "make test"} <= set(lines)
