"""Claims: excluded files follow the rules, are listed on demand, and are not failures."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.errors import UsageError
from local.options import set_excludes
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]
SAMPLES = REPOSITORY / "samples" / "animals"


def test_skipped_files_are_counted_by_kind_and_named_on_demand(run: Run, folder: Path) -> None:
    for name in ("a.mov", "b.MOV", "c.psd", "d.raw", "@eaDir/e.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no image")
    (folder / ".imagesearchignore").write_text("*.raw\n")
    done = run("index", str(folder))
    assert done.returncode == 0
    assert "4 files skipped: 2 .mov, 1 .psd, 1 .raw\n" in done.stderr
    assert "a.mov" not in done.stderr
    named = run("index", str(folder), "--verbose")
    for line in (
        "skipped a.mov: not an image\n",
        "skipped d.raw: excluded by .imagesearchignore: *.raw\n",
        "skipped @eaDir/: excluded by default: @eaDir\n",
    ):
        assert line in named.stderr


def test_an_excluded_image_is_removed_and_indexed_again_when_included(
    run: Run, folder: Path
) -> None:
    for name in ("owl.webp", ".cow.webp"):
        shutil.copyfile(SAMPLES / name.lstrip("."), folder / name)
    assert "1 indexed in" in run("index", str(folder)).stderr
    assert "1 deleted in" in run("index", str(folder), "--exclude", "owl.*").stderr
    assert "2 indexed in" in run("index", str(folder), "--no-default-excludes").stderr
    (folder / ".imagesearchignore").write_text("[a\n")
    broken = run("index", str(folder), "--no-default-excludes")
    assert broken.returncode == 1
    assert "skipped .imagesearchignore: line 1, '[a': a bracket is not" in broken.stderr
    assert "deleted" not in broken.stderr
    (folder / ".imagesearchignore").unlink()
    assert "2 unchanged in" in run("index", str(folder), "--no-default-excludes").stderr


def test_a_data_directory_below_the_folder_or_the_folder_itself_is_never_indexed(
    run: Run, folder: Path
) -> None:
    shutil.copyfile(SAMPLES / "owl.webp", folder / "owl.webp")
    for data_dir in (folder / "index", folder / "other" / "deep", folder):
        for expected in ("1 indexed in", "1 unchanged in"):
            done = run("index", str(folder), "--data-dir", str(data_dir), "--no-default-excludes")
            assert (done.returncode, expected in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("inside", ["", "models", "pictures-1/derived/thumbnails"])
def test_a_data_directory_is_rejected_as_an_image_folder(tmp_path: Path, inside: str) -> None:
    (tmp_path / "data" / "pictures-1" / "derived" / "thumbnails").mkdir(parents=True)
    (tmp_path / "data" / "models").mkdir()
    (tmp_path / "data" / ".imagesearch-data").touch()
    with pytest.raises(UsageError, match="belongs to the data directory"):
        set_excludes(tmp_path / "data" / inside, [], no_defaults=False)


@pytest.mark.parametrize("pattern", ["[a", "a\nb", "a//b", "\udcff"])
def test_an_invalid_pattern_is_a_usage_error(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="--exclude"):
        set_excludes(tmp_path, [pattern], no_defaults=False)
