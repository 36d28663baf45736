"""The starter model stripped of its calibration, and a hub that serves it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesearch.calibration.calibration_set import CalibrationSet, shipped_set
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from tests.support.paths import STARTER_MODEL
from tests.support.servers.file_server import FileServer

NAME = "stripped"


@pytest.fixture(scope="session")
def photos() -> CalibrationSet:
    return shipped_set()


@pytest.fixture(scope="session")
def shipped_manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((STARTER_MODEL / "manifest.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="session")
def stripped_manifest(shipped_manifest: dict[str, Any]) -> dict[str, Any]:
    measured = ("relevance", "classify", "duplicates", "quality")
    about = {key: value for key, value in shipped_manifest.items() if key not in measured}
    files = {name: entry for name, entry in about["files"].items() if name[:10] != "background"}
    # The templates are chosen by hand; the temperature is the default of CLIP.
    classify = {"templates": shipped_manifest["classify"]["templates"], "temperature": 0.01}
    return about | {"name": NAME, "files": files, "classify": classify}


@pytest.fixture
def stripped(stripped_manifest: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with the starter's graphs and the stripped manifest."""
    folder = tmp_path / NAME
    copy_starter(folder, stripped_manifest)
    return folder


def copy_starter(folder: Path, manifest: dict[str, Any]) -> None:
    folder.mkdir()
    for name in manifest["files"]:
        shutil.copyfile(STARTER_MODEL / name, folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def hub(stripped_manifest: dict[str, Any]) -> Iterator[FileServer]:
    made = FileServer()
    made.files = {
        f"/{name}": (STARTER_MODEL / name).read_bytes() for name in stripped_manifest["files"]
    }
    with made.running():
        yield made


@pytest.fixture(scope="module")
def entry(hub: FileServer, stripped_manifest: dict[str, Any]) -> CatalogEntry:
    """The stripped model in a catalog."""
    about = {key: value for key, value in stripped_manifest.items() if key != "files"}
    pins = {
        name: Pin(url=f"{hub.url}/{name}", sha256=entry["sha256"], bytes=entry["bytes"])
        for name, entry in stripped_manifest["files"].items()
    }
    return CatalogEntry(manifest=about, pins=pins, evidence=[])
