"""`imagesearch verify FOLDER` prints what differs, and `--repair` mends it."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.unit.local.conftest import Run

pytestmark = pytest.mark.slow
ANIMALS = REPOSITORY / "samples/animals"


def copy(name: str, target: Path) -> None:
    target.write_bytes((ANIMALS / f"{name}.webp").read_bytes())


def damage(data: Path, key: str) -> None:
    """Overwrite the vector of an image with zeros."""
    [file] = data.glob("*/index.db")
    with sqlite3.connect(file) as database:
        [(space,)] = database.execute("SELECT name FROM spaces").fetchall()
        database.execute(
            f'UPDATE "{space}" SET vector = zeroblob(length(vector)) WHERE key = ?',  # noqa: S608
            (key,),
        )


def test_differences_of_a_folder_are_printed_and_repaired(run: Run, folder: Path) -> None:
    for name in ("cow", "goldfish", "owl"):
        copy(name, folder / f"{name}.webp")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert run("index", str(folder)).returncode == 1
    assert run("verify", str(folder)).returncode == 0

    (folder / "cow.webp").unlink()
    copy("owl", folder / "new.webp")
    copy("sheep-on-grass", folder / "goldfish.webp")
    damage(folder.parent / ".imagesearch", "owl.webp")
    found = run("verify", str(folder), "--json")
    assert found.returncode == 1
    assert {
        each["key"]: each["difference"] for each in map(json.loads, found.stdout.splitlines())
    } == {
        "owl.webp": "damaged",
        "cow.webp": "gone",
        "goldfish.webp": "changed",
        "new.webp": "missing",
    }
    assert "1 damaged, 1 gone, 1 changed, 1 missing" in found.stderr

    repaired = run("verify", str(folder), "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert "after the repair: 4 images: no difference" in repaired.stderr
    checked = run("verify")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_images_of_an_unmounted_disk_are_kept(run: Run, folder: Path) -> None:
    copy("owl", folder / "owl.webp")
    assert run("index", str(folder)).returncode == 0
    (folder / "owl.webp").unlink()
    found = run("verify", str(folder), "--repair")
    assert found.returncode == 1
    assert found.stdout.startswith("kept\towl.webp (the folder is empty: is its disk mounted?)")


def test_a_damaged_index_file_is_renamed_and_its_images_are_indexed_again(
    run: Run, folder: Path
) -> None:
    """A thumbnail that no record names is deleted."""
    for name in ("cow", "owl"):
        copy(name, folder / f"{name}.webp")
    assert run("index", str(folder)).returncode == 0
    [file] = (folder.parent / ".imagesearch").glob("*/index.db")
    before = set(file.parent.glob("derived/thumbnails/*/*.webp"))
    unnamed = file.parent / "derived/thumbnails" / ("x" * 24) / "1.webp"
    unnamed.parent.mkdir()
    unnamed.touch()
    os.utime(unnamed, (0, 0))
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    damaged = b"not a database" + file.read_bytes()[14:]
    file.write_bytes(damaged)

    found = run("verify", str(folder))
    assert (found.returncode, found.stdout[:8]) == (1, "damaged\t")
    listed = run("list", "--folder", str(folder))
    assert listed.returncode == 2
    assert "is damaged: file is not a database; run `imagesearch verify" in listed.stderr

    indexed = run("index", str(folder))
    assert indexed.returncode == 0, indexed.stderr
    assert "2 indexed" in indexed.stderr
    [kept] = file.parent.glob("index.db.damaged-*")
    assert kept.read_bytes() == damaged
    assert kept.name in indexed.stderr
    assert set(file.parent.glob("derived/thumbnails/*/*.webp")) == before
    assert run("verify", str(folder)).returncode == 0
