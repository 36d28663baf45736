"""Claims: the first stage of the Dockerfile installs a wheel with the starter model and the page.

They run in plain folders: an empty virtual environment, and a copy of what the image copies. No
Docker is needed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.paths import REPOSITORY, SAMPLES
from tests.support.waiting import PATIENCE_SECONDS, run

DOCKERFILE = REPOSITORY / "Dockerfile"
INSTALLED = "/opt/imagesearch"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment of the image, made by the steps of its first stage."""
    root = tmp_path_factory.mktemp("image")
    source, environment = root / "src", root / "venv"
    source.mkdir()
    for name, rest in instructions()[1:]:
        if name == "FROM":
            break
        if name == "COPY":
            *copied, target = rest.split()
            for each in copied:
                _copy(REPOSITORY / each, source / target)
        elif name == "RUN":
            line = rest.replace(INSTALLED, str(environment)).replace("--no-cache-dir ", "")
            line = line.replace("python -m venv", f"{shlex.quote(sys.executable)} -m venv")
            # Only modules that are imported are compiled, when they are imported.
            done = run(["bash", "-c", line], cwd=source, env=os.environ | {"PIP_NO_COMPILE": "1"})
            assert done.returncode == 0, done.stderr
    return environment


def _copy(origin: Path, target: Path) -> None:
    if origin.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(origin, target, dirs_exist_ok=True, ignore=ignored)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, target)


def test_an_installed_wheel_indexes_searches_and_serves(installed: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("animals/owl.webp", "objects/white-chair.webp"):
        shutil.copy(SAMPLES / name, images)
    command = str(installed / "bin/imagesearch")
    environment = {
        "PATH": f"{installed / 'bin'}:{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "IMAGESEARCH_DATA_DIR": str(tmp_path / "data/indexes"),
        "IMAGESEARCH_CACHE": str(tmp_path / "data/cache"),
    }
    for words in (["models", "verify", "starter"], ["index", str(images)]):
        done = run([command, *words], cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
    found = run([command, "search", "an owl", "--all", "--json"], cwd=tmp_path, env=environment)
    assert json.loads(found.stdout.splitlines()[0])["key"] == "owl.webp"
    with subprocess.Popen(
        [command, "serve", str(images), "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stdout
        url = serving.stdout.readline().removeprefix("ready ").strip()
        assert "<!doctype html>" in httpx.get(url, timeout=PATIENCE_SECONDS).text
        [health] = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
        check = json.loads(health.partition(" CMD ")[2].replace("http://127.0.0.1:8000", url))
        assert run(check, cwd=tmp_path, env=environment).returncode == 0
        serving.terminate()
        assert serving.wait(PATIENCE_SECONDS) == 0
    assert run(check, cwd=tmp_path, env=environment).returncode != 0


def test_the_dockerfile_names_an_unprivileged_user_and_a_volume_for_all_data() -> None:
    written = dict(instructions())
    assert written["USER"] == "10001"
    assert written["VOLUME"] == "/data"
    assert all(
        value.startswith("/data/")
        for name, value in re.findall(r"(IMAGESEARCH_\w+)=(\S+)", written["ENV"])
    )
