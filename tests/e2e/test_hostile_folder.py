"""The real command indexes a folder that contains every kind of unreadable entry."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import COMMAND
from tests.support.waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]
Serve = Callable[[Path], Any]
# Drops the capabilities by which root bypasses permissions.
RIGHTS = "-dac_override,-dac_read_search"
BOUND = f"setpriv --bounding-set={RIGHTS} --inh-caps={RIGHTS}"


@pytest.fixture
def hostile(few: Path) -> Path:
    """A folder of a few samples and one entry of every kind that cannot be indexed."""
    (few / "itself").symlink_to("itself")
    (few / "one").symlink_to("two")
    (few / "two").symlink_to("one")
    (few / "through").symlink_to("animals/owl.webp/x")
    (few / "long").symlink_to("x" * 300)
    (few / "nowhere.jpg").symlink_to("nowhere")
    (few / "out.jpg").symlink_to(COMMAND)
    os.mkfifo(few / "pipe.jpg")
    (few / "empty.jpg").write_bytes(b"")
    (few / "text.jpg").write_text("no picture")
    (few / "notes.txt").write_text("no picture")
    Image.new("RGB", (64, 64), "red").save(few / "red.jpg", format="PNG")
    Image.new("RGB", (64, 64), "blue").save(few / "blue", format="PNG")
    os.utime(few / "red.jpg", (0, -(2**40)))
    os.utime(few / "blue", (0, 2**40))
    Image.new("RGB", (64, 64), "green").save(few / "a\nline \x1b[31m.png")
    return few


TOLD = ["itself", "long", "nowhere.jpg", "one", "out.jpg", "pipe.jpg", "through", "two"]


def test_images_are_indexed_and_unreadable_files_are_listed(hostile: Path, serve: Serve) -> None:
    serving = serve(hostile)
    done = serving.run("index", hostile)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for path in TOLD:
        assert any(line.startswith(f"skipped {path}: ") for line in lines), path
    for path in ("empty.jpg", "text.jpg"):
        assert any(line.startswith(f"rejected {path}: ") for line in lines), path
    assert "1 file skipped: 1 .txt" in lines
    assert lines[-1].startswith("7 indexed, 2 rejected, 8 skipped with errors in ")
    again = serving.run("index", hostile)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("9 unchanged, 8 skipped with errors in ")
    everything = serving.run("index", hostile, "--all")
    assert everything.returncode == 1
    serving.start().ready()
    assert len(serving.listed()) == 7
    assert set(serving.listed("rejected")) == {"empty.jpg", "text.jpg"}


def test_an_emptied_folder_is_reported_and_recovers(
    few: Path, serve: Serve, tmp_path: Path, eventually: Eventually
) -> None:
    """An unmounted disk leaves another, empty folder."""
    serving = serve(few).start().ready()
    few.rename(tmp_path / "disk")
    few.mkdir()
    eventually("it is reported", lambda: any("kept 4 records" in line for line in serving.err), 60)
    assert len(serving.listed()) == 4
    few.rmdir()
    (tmp_path / "disk").rename(few)
    eventually(
        "it is reported", lambda: any("are available again" in line for line in serving.err), 60
    )
    (few / "animals" / "cow.webp").unlink()
    eventually("the deletion is followed", lambda: len(serving.listed()) == 3, 60)


def test_records_of_missing_files_are_deleted_with_forget_missing(few: Path, serve: Serve) -> None:
    serving = serve(few)
    assert serving.run("index", few).returncode == 0
    shutil.rmtree(few)
    few.mkdir()
    kept = serving.run("index", few)
    assert kept.returncode == 1
    assert "kept 4 records: the folder is empty: is its disk mounted?" in kept.stderr
    gone = serving.run("index", few, "--forget-missing")
    assert gone.returncode == 0
    assert gone.stderr.splitlines()[-1].startswith("4 deleted in ")


def test_a_folder_without_permission_keeps_its_records(few: Path, serve: Serve) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        reason = "root may enter every folder, and there is no setpriv to bind it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    bound = BOUND.split() if os.geteuid() == 0 else []

    def index() -> tuple[int, list[str]]:
        line = [*bound, COMMAND, "index", few, "--data-dir", serving.data_dir]
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        return done.returncode, done.stderr.splitlines()

    serving = serve(few)
    assert index()[0] == 0
    (few / "objects" / "white-chair.webp").unlink()
    for mode in (0o000, 0o444):
        (few / "animals").chmod(mode)
        try:
            status, lines = index()
        finally:
            (few / "animals").chmod(0o755)
        assert status == 1
        assert "skipped animals: it cannot be listed: Permission denied" in lines
        assert (
            "kept 2 records below animals: Permission denied; --forget-missing deletes them"
            in lines
        )
    assert index()[1][-1].startswith("3 unchanged in ")
