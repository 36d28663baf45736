"""Claims: artifacts are small, complete and contain nothing else; Release is a digest of them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

MIB = 2**20
UNZIPPED_LIMIT = 250 * MIB  # the limit of Lambda for a function with its layers
OUR_LIMIT = 200 * MIB  # leaves room for another model in the layer


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("function", ["FetchModel", "IndexImages", "Reconcile", "Search", "Tune"])
def test_a_function_with_its_layers_is_below_the_size_limit_of_lambda(shipped, function):
    parts = (function, "ImageSearchLayer", "StarterModelLayer")
    assert sum(size(shipped[part]) for part in parts) < OUR_LIMIT < UNZIPPED_LIMIT


def test_development_files_are_not_packaged(shipped):
    unwanted = {".git", "__pycache__", "tests", "samples", "Makefile", "requirements.txt"}
    for folder in shipped.values():
        for path in folder.rglob("*"):
            assert path.name not in unwanted, path
            assert path.suffix not in {".pyc", ".pyi", ".h"}, path


def test_a_function_contains_only_its_own_package(shipped):
    for function in ("IndexImages", "IndexNextModel"):
        assert [path.name for path in shipped[function].iterdir()] == ["index_images"]
    assert [path.name for path in shipped["Search"].iterdir()] == ["search"]
    assert [path.name for path in shipped["Reconcile"].iterdir()] == ["reconcile"]
    assert [path.name for path in shipped["Tune"].iterdir()] == ["tune"]
    assert [path.name for path in shipped["FetchModel"].iterdir()] == ["fetch_model"]


def test_the_layer_matches_the_python_and_architecture_of_lambda(shipped):
    compiled = list((shipped["ImageSearchLayer"] / "python").rglob("*.cpython-*.so"))
    assert compiled
    assert all(path.name.endswith(".cpython-313-x86_64-linux-gnu.so") for path in compiled)


def test_the_layer_contains_no_absolute_build_path(shipped):
    scripts = shipped["ImageSearchLayer"] / "python/bin"
    assert not scripts.exists(), "scripts name the interpreter of the machine that built them"


def test_each_package_includes_its_license(shipped):
    """tokenizers is exempt, because its wheel has no license text."""
    layer, model = shipped["ImageSearchLayer"] / "python", shipped["StarterModelLayer"]
    for package in ("numpy", "onnxruntime", "pillow", "pi_heif", "rawpy", "pillow_jxl_plugin"):
        (metadata,) = layer.glob(f"{package}-*.dist-info")
        assert [*metadata.rglob("LICENSE*"), *layer.glob(f"{package}/LICENSE*")], package
    assert (model / "starter_model/LICENSE").exists()


def test_the_photos_of_the_self_test_take_at_most_3_megabytes(shipped):
    data = shipped["ImageSearchLayer"] / "python/imagesearch/calibration/data"
    assert len(list(data.rglob("*.webp"))) == 85
    assert (data / "NOTICE").exists()
    assert size(data) <= 3_000_000


ROOT = REPOSITORY


def release(parameters: str = "") -> str:
    """The release that `make` computes, from a dry run."""
    command = ["make", "--dry-run", "deploy", f"PARAMETERS={parameters}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = re.findall(r"Release=([0-9a-f]{40}) ", done.stdout)
    return found


def test_equal_settings_have_the_same_release():
    assert release("ModelName=clip-vit-b-32") == release("ModelName=clip-vit-b-32")


def test_another_model_has_another_release():
    models = ("", "ModelName=clip-vit-b-32", "NextModelName=clip-vit-b-32")
    assert len({release(each) for each in models}) == len(models)
