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


def test_damaged_thumbnails_and_feedback_are_found_and_repaired(run: Run, folder: Path) -> None:
    """Feedback cannot be created again: it is kept under another name."""
    for name in ("cow", "goldfish", "owl"):
        copy(name, folder / f"{name}.webp")
    assert run("index", str(folder)).returncode == 0
    [derived] = (folder.parent / ".imagesearch").glob("*/derived")
    thumbnails = sorted(derived.glob("thumbnails/*/*.jpg"))
    intact = {path: path.read_bytes() for path in thumbnails}
    of_images = list({path.parent: path for path in thumbnails}.values())
    flipped, cut, kept = of_images
    flipped.write_bytes(bytes([intact[flipped][0] ^ 1]) + intact[flipped][1:])
    cut.write_bytes(intact[cut][:-1])
    feedback = derived / "feedback/2026/01/05" / f"{'0' * 32}-00000000.json"
    feedback.parent.mkdir(parents=True)
    feedback.write_bytes(b"{}")

    found = run("verify", str(folder), "--json")
    assert found.returncode == 1
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert sorted(each["reason"] for each in lines) == [
        "its thumbnail is damaged",
        "its thumbnail is damaged",
        "this feedback is not what was stored",
    ]
    assert run("verify", str(folder), "--no-thumbnails").stdout.count("damaged\t") == 1

    repaired = run("verify", str(folder), "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert "after the repair: 3 images: no difference" in repaired.stderr
    again = [path.read_bytes() for path in derived.glob("thumbnails/*/*.jpg")]
    assert sorted(again) == sorted(intact.values())
    assert kept.read_bytes() == intact[kept]
    assert [path.name for path in feedback.parent.iterdir()] == [f"{feedback.name}.damaged"]
    assert run("verify", str(folder)).returncode == 0


def test_damaged_rows_of_label_sets_are_found_and_deleted(run: Run, folder: Path) -> None:
    copy("owl", folder / "owl.webp")
    assert run("index", str(folder)).returncode == 0
    labels = folder.parent / "labels.txt"
    labels.write_text("cat\ndog\nowl\n")
    assert run("labels", "put", "pets", str(labels)).returncode == 0
    assert run("labels", "put", "others", str(labels)).returncode == 0
    [file] = (folder.parent / ".imagesearch").glob("*/index.db")
    with sqlite3.connect(file) as database:
        select = "SELECT name FROM spaces WHERE name LIKE '%-labels-%'"
        [(space,)] = database.execute(select).fetchall()
        update = f'UPDATE "{space}" SET vector_crc = 7 WHERE key LIKE ?'  # noqa: S608
        database.execute(update, ("pets.%/cat",))
        database.execute(update.replace("vector_crc", "record_crc"), (".sets/others",))
    database.close()

    found = run("verify", str(folder))
    assert found.returncode == 1
    assert sorted(found.stdout.splitlines()) == [
        "damaged\tlabel set others (its record is damaged: put the label set again)",
        "damaged\tlabel set pets: cat (its vector is damaged: put the label set again)",
    ]
    repaired = run("verify", str(folder), "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert run("labels", "put", "others", str(labels)).returncode == 0
    listed = run("labels", "list", "--json").stdout.splitlines()
    assert [json.loads(line) for line in listed] == [
        {"name": "others", "labels": 3},
        {"name": "pets", "labels": 2},
    ]
    assert run("verify", str(folder)).returncode == 0


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
    before = set(file.parent.glob("derived/thumbnails/*/*.jpg"))
    unnamed = file.parent / "derived/thumbnails" / ("x" * 24) / "1.webp"
    unnamed.parent.mkdir()
    unnamed.touch()
    os.utime(unnamed, (0, 0))
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    damaged = b"not a database" * 1_000
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
    assert set(file.parent.glob("derived/thumbnails/*/*.jpg")) == before
    assert run("verify", str(folder)).returncode == 0
