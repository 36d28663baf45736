"""`imagesearch duplicates` lists groups of duplicates, and reports errors in terms of files."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from imagesearch.duplicates import similarity
from local.commands.duplicates import DEFAULT_CONFIDENCE, MAX_CONFIDENCE, MIN_CONFIDENCE
from tests.support.images.raw_files import dng, tiff_like
from tests.support.paths import SAMPLES

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def indexed(run: Run, folder: Path) -> Path:
    """An indexed owl, a copy of the file, a mirrored copy, and a panda."""
    owl, panda = SAMPLES / "animals/owl.webp", SAMPLES / "animals/giant-panda.webp"
    (folder / "others").mkdir(parents=True)
    shutil.copyfile(owl, folder / "owl.webp")
    shutil.copyfile(owl, folder / "others/again.webp")
    shutil.copyfile(panda, folder / "panda.webp")
    picture = Image.open(owl).convert("RGB")
    ImageOps.mirror(picture.reduce(2)).save(folder / "[mirrored].jpg")
    assert run("index", str(folder)).returncode == 0
    return folder


def test_a_group_in_json_lists_the_files_with_the_original_first(run: Run, indexed: Path) -> None:
    done = run("duplicates", "--json")
    [group] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (group["kind"], group["size"]) == ("near", 3)
    paths = [image["path"] for image in group["images"]]
    assert set(paths) == {
        str(indexed / name) for name in ("owl.webp", "others/again.webp", "[mirrored].jpg")
    }
    assert paths[-1].endswith("[mirrored].jpg")
    assert group["original"] == group["images"][0]["id"]


def test_a_group_in_the_table_has_one_number_and_unquoted_keys(run: Run, indexed: Path) -> None:
    lines = run("duplicates").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "1", "1"]
    assert lines[-1].split()[-1] == "[mirrored].jpg"


def test_raw_files_and_their_jpegs_are_reported_as_one_shot(run: Run, folder: Path) -> None:
    """The JPEG of a camera differs from the preview in sharpening, grading and compression."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, name in (("one", "animals/owl"), ("two", "animals/giant-panda")):
        picture = Image.open(SAMPLES / f"{name}.webp").convert("RGB")
        graded = ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(1.1)).enhance(1.1)
        graded.filter(ImageFilter.SHARPEN).save(folder / f"{stem}.JPG", quality=80)
        even = picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2))
        # One file has a preview, the other is developed.
        raw = dng(even) if stem == "one" else tiff_like(even, "NIKON CORPORATION", "NIKON Z 6")
        (folder / f"{stem}.{'DNG' if stem == 'one' else 'NEF'}").write_bytes(raw)
    assert run("index", str(folder)).returncode == 0
    groups = [json.loads(line) for line in run("duplicates", "--json").stdout.splitlines()]
    assert [group["kind"] for group in groups] == ["raw+jpeg"] * 2
    keys = [[image["key"] for image in group["images"]] for group in groups]
    assert sorted(keys) == [["one.DNG", "one.JPG"], ["two.NEF", "two.JPG"]]


def test_a_subfolder_without_duplicates_has_no_groups(run: Run, indexed: Path) -> None:
    done = run("duplicates", "--collection", "others", "--json")
    assert (done.returncode, done.stdout) == (1, "")


def test_a_deleted_copy_is_removed_from_the_groups(run: Run, indexed: Path) -> None:
    (indexed / "[mirrored].jpg").unlink()
    assert run("index", str(indexed)).returncode == 0
    [group] = [json.loads(line) for line in run("duplicates", "--json").stdout.splitlines()]
    assert (group["kind"], group["size"]) == ("exact", 2)


def test_a_folder_without_an_index_is_rejected(run: Run, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    done = run("duplicates", "--folder", str(folder))
    assert done.returncode == 2
    assert "imagesearch index" in done.stderr


@pytest.mark.parametrize("threshold", ["0.5", "1", "much"])
def test_an_invalid_threshold_is_rejected(run: Run, threshold: str) -> None:
    done = run("duplicates", "--threshold", threshold)
    assert done.returncode == 2
    assert "threshold" in done.stderr


def test_the_range_of_the_threshold_is_that_of_the_use_case() -> None:
    assert (DEFAULT_CONFIDENCE, MIN_CONFIDENCE, MAX_CONFIDENCE) == (
        similarity.THRESHOLD,
        similarity.MIN_CONFIDENCE,
        similarity.MAX_CONFIDENCE,
    )
