"""`imagesearch classify` classifies a file by labels or by the folders of similar files."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def indexed(run: Run, folder: Path) -> Path:
    """Two indexed folders of images of one color each."""
    for color in ("red", "blue"):
        (folder / color).mkdir()
        for size in (64, 80):
            Image.new("RGB", (size, size), color).save(folder / color / f"{size}.png")
    assert run("index", str(folder)).returncode == 0
    return folder


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_labels_are_compared(run: Run, indexed: Path) -> None:
    photo = str(indexed / "red/64.png")
    found = lines(run("classify", photo, "--labels", "a castle, an owl,a fish", "--json"))
    assert {each["label"] for each in found} == {"a castle", "an owl", "a fish"}
    assert sum(each["score"] for each in found) == pytest.approx(1, abs=1e-4)
    assert all(isinstance(each["similarity"], float) for each in found)


def test_the_vote_uses_folders_if_no_labels_are_given(run: Run, indexed: Path) -> None:
    photo = str(indexed / "blue/80.png")
    found = lines(run("classify", photo, "--neighbours", "2", "--json"))
    assert found == [{"label": "blue", "score": 1.0, "similarity": None}]


def test_the_table_shows_the_best_labels(run: Run, indexed: Path) -> None:
    done = run("classify", str(indexed / "blue/80.png"), "--limit", "1")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["blue"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "a", "--neighbours", "3"), "one of --labels"),
        (("--labels", ","), "labels.0 has 0 characters"),
        (("--labels", "x" * 201), "1 to 200 characters"),
    ],
)
def test_invalid_label_options_are_rejected(
    run: Run, indexed: Path, options: tuple[str, ...], message: str
):
    done = run("classify", str(indexed / "red/64.png"), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_missing_file_argument_is_named(
    run: Run, folder: Path, indexed: Path, tmp_path: Path
) -> None:
    done = run("classify", str(folder / "none.png"), "--labels", "a")
    assert done.returncode == 2
    assert "none.png" in done.stderr
    (tmp_path / "other").mkdir()
    other = run("classify", str(folder / "red/64.png"), "--folder", str(tmp_path / "other"))
    assert other.returncode == 2
    assert "has no index" in " ".join(other.stderr.split())
