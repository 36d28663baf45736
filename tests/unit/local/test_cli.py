"""Usage errors print one message to stderr, with exit status 2."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "nowhere"], "nowhere does not exist"),
        (["serve", "nowhere"], "nowhere does not exist"),
        (["search", "a dog"], "imagesearch index FOLDER"),
        (["search"], "give a query"),
        (["search", "a dog", "--image", "x.jpg", "--folder", "."], "has no index"),
        (["list", "--sort", "size"], "--sort is one of key"),
        (["search", "a dog", "--limit", "101"], "limit"),
        (["search", "a dog", "--folder", "."], "has no index"),
        (["index", ".", "--model", "clop"], "no model 'clop': use one of starter"),
        (["index", ".", "--model", "clip-vit-b-32"], "imagesearch models pull clip-vit-b-32"),
        (["models", "pull", "clop"], "no model is named 'clop'"),
        (["models", "pull", "clip-vit-b-16"], "no model is named"),
        (["models", "verify", "nowhere"], "no model 'nowhere'"),
        (["index"], "FOLDER"),
        (["reindex", "--model", "starter"], "imagesearch index FOLDER"),
        (["reindex", ".", "--status"], "has no index"),
        (["reindex", "--status", "--drop-old"], "only one of --status"),
        (["reindex", "s3://photos", "--model", "starter"], "NextModelName"),
        (["reindex", "s3://photos", "--status"], "--index-url"),
        (["find"], "find"),
    ],
)
def test_wrong_usage_ends_with_status_2(run: Run, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_port_in_use_is_reported_before_anything_is_indexed(run: Run, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", str(folder), "--port", str(port))
    assert done.returncode == 2
    message = f"imagesearch: port {port} is in use: choose another with --port"
    assert done.stderr.splitlines()[-1] == message


def test_an_unwritable_data_directory_is_reported(run: Run, folder: Path) -> None:
    (folder / "file").touch()
    done = run("index", str(folder), "--data-dir", str(folder / "file" / "data"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_indexed_and_searched(run: Run, folder: Path) -> None:
    done = run("index", str(folder))
    assert (done.returncode, done.stdout) == (0, "")
    assert "no images" in done.stderr
    for nothing in (["search", "a dog", "--json"], ["list"]):
        found = run(*nothing)
        assert (found.returncode, found.stdout) == (1, "")


def test_unreadable_images_are_listed_and_the_status_is_1(run: Run, folder: Path) -> None:
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("not a picture")
    (folder / "notes.txt").write_text("not even by name")
    for _ in range(2):
        done = run("index", str(folder))
        assert done.returncode == 1
        assert done.stderr.count("rejected empty.jpg: ") == 1
        assert done.stderr.count("rejected text.png: ") == 1
        assert "notes.txt" not in done.stderr


def test_images_without_a_valid_key_are_listed_and_the_status_is_1(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.jpg").touch()
    (folder / "linked.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    done = run("index", str(folder))
    assert done.returncode == 1
    assert done.stderr.count("skipped linked.jpg: it leads out of the folder") == 1
    assert "1 skipped with errors in " in done.stderr


def test_an_unreadable_image_cannot_be_searched(run: Run, folder: Path) -> None:
    (folder / "text.png").write_text("not a picture")
    run("index", str(folder))
    for image in ("text.png", "none.png", "."):
        done = run("search", "--image", str(folder / image))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_local_and_downloadable_models_are_listed(run: Run) -> None:
    done = run("models", "list")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [lines[0][:2], done.returncode] == [["starter", "installed"], 0]
    clip = next(line for line in lines if line[0] == "clip-vit-b-32")
    assert clip[:5] == [
        "clip-vit-b-32",
        "available",
        "156 MB",
        "en",
        "MIT (OpenAI's code and weights)",
    ]
    assert {len(line) for line in lines} == {7}


def test_a_model_is_verified_by_name_and_by_path(run: Run, tmp_path: Path) -> None:
    done = run("models", "verify", "starter")
    assert done.returncode == 0
    folder = Path(done.stdout.split(" is complete")[0])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "text.onnx").write_bytes(b"not a graph")
    spoilt = run("models", "verify", str(copy))
    assert (spoilt.returncode, spoilt.stdout) == (2, "")
    assert "text.onnx has 11 bytes instead of" in spoilt.stderr


def test_use_of_the_starter_model_is_reported_with_the_command_for_clip(
    run: Run, folder: Path
) -> None:
    assert "imagesearch serve --model clip-vit-b-32" in run("index", str(folder)).stderr
    assert "models pull" not in run("index", str(folder), "--model", "starter").stderr


def test_the_version_is_printed(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, version("imagesearch"))
