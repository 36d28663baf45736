"""What the README tells people to type does what it says."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import REPOSITORY
from tests.support.waiting import PATIENCE_SECONDS, run

README = (REPOSITORY / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
# Proved by .ci/run itself, by tests/packaging, or not to be proved without Docker or an account.
ELSEWHERE = ("make test", "make build", "make deploy", "make bench", "make lint", "sam local")
RUN_HERE = ("index", "search", "classify", "duplicates")

Eventually = Callable[..., None]


def starting(word: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(word)]


def test_every_command_is_run_by_a_test_or_named_as_run_elsewhere() -> None:
    known = (*ELSEWHERE, "make run", "curl ", "imagesearch ")
    assert [command for command in COMMANDS if not command.startswith(known)] == []
    assert len(starting("curl ")) >= 4
    assert len(starting("imagesearch ")) >= 4


@pytest.fixture(scope="module")
def served(serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("samples") / "samples"
    shutil.copytree(REPOSITORY / "samples", folder)
    return serve(folder).start("--allow-uploads").ready()


@pytest.mark.parametrize("command", starting("curl "))
def test_curl_lines_are_answered(served: Any, command: str) -> None:
    line = command.replace("http://127.0.0.1:8000", served.url)
    silent = ["--silent", "--show-error", "--fail-with-body"]
    done = run([*shlex.split(line), *silent], cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    results = answer.get("results", [answer])
    told = ("hits", "labels", "status", "images", "upload", "groups", "matches")
    assert all(any(one.get(name) is not None for name in told) for one in results)


def test_imagesearch_lines_leave_with_status_0(few: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    shutil.copyfile(few / "animals/owl.webp", photo)
    for command in [line for word in RUN_HERE for line in starting(f"imagesearch {word}")]:
        line = [str(few) if word == "~/Pictures" else word for word in shlex.split(command)]
        done = run([REPOSITORY / ".venv/bin" / line[0], *line[1:]], cwd=tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("command", starting("make run"))
def test_make_run_gets_ready_and_ends_quietly(
    command: str, few: Path, eventually: Eventually
) -> None:
    words = [f"FOLDER={few}" if word.startswith("FOLDER=") else word for word in command.split()]
    with subprocess.Popen(
        [*words, "PORT=0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Not as a part of the make that runs the tests.
        env={name: os.environ[name] for name in os.environ if not name.startswith("MAKE")},
        start_new_session=True,
    ) as making:
        assert making.stdout
        assert making.stderr
        assert making.stdout.readline().startswith("ready http://127.0.0.1:")
        os.killpg(making.pid, signal.SIGINT)
        making.wait(PATIENCE_SECONDS)
        assert "Traceback" not in making.stderr.read()


def test_sam_local_lines_name_functions_and_events_that_are_there() -> None:
    template = (REPOSITORY / "template.yaml").read_text()
    for command in starting("sam local"):
        words = shlex.split(command)
        function, event = words[3], words[words.index("--event") + 1]
        assert f"\n  {function}:\n" in template
        assert (REPOSITORY / event).exists()
        variables = json.loads((REPOSITORY / words[words.index("--env-vars") + 1]).read_text())
        assert function in variables


def test_every_event_file_is_named() -> None:
    for event in (REPOSITORY / "events").glob("*.json"):
        assert f"`{event.name}`" in README


def test_links_lead_to_files_that_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPOSITORY / target).exists(), target
