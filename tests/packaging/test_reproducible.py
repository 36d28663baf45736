"""Claims: two builds of a release are equal byte for byte, with times and modes."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from audit.release import SUMS, write_sums, write_zip
from tests.support.paths import REPOSITORY
from tests.support.waiting import run

Tree = dict[str, tuple[int, int, str]]


def tree(folder: Path) -> Tree:
    """Mode, time and SHA-256 of each file."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode & 0o777,
            int(path.stat().st_mtime),
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_another_build_of_the_layer_has_the_same_bytes_times_and_modes(shipped, tmp_path):
    """In another folder, with another umask and another time zone than the build of `sam`."""
    source, artifacts = tmp_path / "a copy", tmp_path / "artifacts"
    shutil.copytree(
        REPOSITORY / "layers/imagesearch", source, ignore=shutil.ignore_patterns("__pycache__")
    )
    build = 'umask 077; mkdir "$ARTIFACTS_DIR"; make --silent build-ImageSearchLayer'
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        "ARTIFACTS_DIR": str(artifacts),
        "PYTHON": str(REPOSITORY / ".venv/bin/python"),
        "TZ": "Pacific/Auckland",
    }
    done = run(["bash", "-c", build], cwd=source, env=environment)
    assert done.returncode == 0, done.stderr
    assert tree(artifacts) == tree(shipped["ImageSearchLayer"])


def test_the_functions_have_no_time_of_the_build(shipped):
    for function in ("FetchModel", "IndexImages", "Reconcile", "Search"):
        assert len({time for _, time, _ in tree(shipped[function]).values()}) == 1
        assert {mode for mode, _, _ in tree(shipped[function]).values()} == {0o644}


def build_wheel(source: Path, target: Path) -> bytes:
    shutil.copytree(REPOSITORY, source, ignore=not_of_the_wheel)
    target.mkdir()
    backend = f"from setuptools import build_meta; build_meta.build_wheel({str(target)!r})"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    done = run([sys.executable, "-c", backend], cwd=source, env=environment)
    assert done.returncode == 0, done.stderr
    [wheel] = target.glob("*.whl")
    return wheel.read_bytes()


def not_of_the_wheel(folder: str, names: list[str]) -> set[str]:
    """Hidden files, what is not part of the wheel, and large files: their content is copied."""
    others = {"docs", "tests", "samples", "build", "dist", "__pycache__"}
    large = {name for name in names if name.endswith((".onnx", ".webp", ".egg-info"))}
    return large | (others & set(names)) | {name for name in names if name.startswith(".")}


def test_two_builds_of_the_wheel_are_equal(tmp_path):
    first = build_wheel(tmp_path / "a", tmp_path / "first")
    assert build_wheel(tmp_path / "another folder", tmp_path / "second") == first


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    """Two folders with the same files, written in another order, at another time."""
    names = ["python/b.py", "python/a.py", "run"]
    made = [tmp_path / "first", tmp_path / "second"]
    for number, (folder, order) in enumerate(zip(made, (names, names[::-1]), strict=True)):
        for name in order:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o755 if name == "run" else 0o644)
            os.utime(path, (number, 1_000_000_000 + number))
    return made


def test_archives_of_equal_files_are_equal_and_listed_with_their_digest(folders, tmp_path):
    archives = [tmp_path / f"release-{number}" / "layer.zip" for number in range(2)]
    for folder, archive in zip(folders, archives, strict=True):
        archive.parent.mkdir()
        write_zip(folder, archive)
        write_sums(archive.parent)
    first, second = (archive.read_bytes() for archive in archives)
    assert first == second
    line = f"{hashlib.sha256(first).hexdigest()}  layer.zip\n"
    assert {(archive.parent / SUMS).read_text() for archive in archives} == {line}
