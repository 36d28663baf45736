"""`imagesearch labels` manages the label sets of `classify`."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.support.paths import SAMPLES

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def photo(run: Run, folder: Path) -> Path:
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    assert run("index", str(folder)).returncode == 0
    return folder / "red.png"


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    def write(*labels: str) -> Path:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.txt"
        file.write_text("\n".join(labels), encoding="utf-8")
        return file

    return write


def test_a_set_is_created_from_lines_and_used_by_classify(run: Run, photo: Path, lines) -> None:
    done = run("labels", "put", "things", str(lines("a castle", "", "an owl", "a fish", "a fish")))
    assert (done.returncode, done.stdout) == (0, "")
    assert "things: 3 labels" in done.stderr
    assert run("labels", "list").stdout == "things\t3\n"
    found = run("classify", str(photo), "--labelset", "things", "--json")
    labels = {json.loads(line)["label"] for line in found.stdout.splitlines()}
    assert labels == {"a castle", "an owl", "a fish"}


def test_a_set_is_replaced_added_to_and_deleted(run: Run, photo: Path, lines) -> None:
    run("labels", "put", "things", str(lines("a castle")))
    run("labels", "put", "things", str(lines("an owl")))
    assert run("labels", "list").stdout == "things\t1\n"
    run("labels", "put", "things", str(lines("a fish")), "--add")
    assert run("labels", "list").stdout == "things\t2\n"
    assert run("labels", "delete", "things").returncode == 0
    assert run("labels", "list").stdout == ""


def test_examples_teach_words_that_the_model_does_not_know(run: Run, folder: Path, lines) -> None:
    """The starter model and sample photos, of which one of each kind is no example."""
    kinds = {"velnor": "animals", "quonk": "landmarks"}
    photos = {word: sorted((SAMPLES / kind).glob("*.webp"))[:9] for word, kind in kinds.items()}
    examples = []
    for word, (_, *others) in photos.items():
        (folder / word).mkdir()
        for photo in others:
            shutil.copy(photo, folder / word)
            # Its key, its path, and its path from the working directory.
            named = (Path(word), folder / word, Path(folder.name, word))[len(examples) % 3]
            examples.append(f"{word}\t{named / photo.name}")
    assert run("index", str(folder)).returncode == 0
    done = run("labels", "put", "house", str(lines(*kinds)), "--examples", str(lines(*examples)))
    assert done.returncode == 0, done.stderr
    assert "16 examples" in done.stderr
    for word, (photo, *_) in photos.items():
        for how in (("--labelset", "house"), ("--labels", ",".join(kinds), "--shots", "8")):
            found = run("classify", str(photo), *how, "--json")
            assert json.loads(found.stdout.splitlines()[0])["label"] == word, found.stderr
            assert "16 examples" in found.stderr
    for wrong, message in (
        ("velnor", "line 1: write a label, a tab"),
        ("velnor\tno.webp", f"line 1: {folder} has no file 'no.webp'"),
    ):
        done = run("labels", "put", "house", str(lines(*kinds)), "--examples", str(lines(wrong)))
        assert (done.returncode, message in done.stderr) == (2, True)


def test_errors_are_reported(run: Run, photo: Path, lines, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    for arguments, message in (
        (("put", "things", "none.txt"), "cannot read none.txt"),
        (("put", "things", "binary"), "not UTF-8"),
        (("put", "things", str(lines("", " "))), "has no labels"),
        (("put", "Things", str(lines("a"))), "is not a valid name"),
        (("put", "things", str(lines("x" * 201))), "1 to 200 characters"),
        (("delete", "things"), "no label set"),
    ):
        done = run("labels", *arguments)
        assert done.returncode == 2
        assert message in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
