"""A hub and a catalog with models of this repository under other names."""

import json
from pathlib import Path
from typing import Any

from imagesearch.embedding.manifest import Manifest
from tests.support.paths import STARTER_MODEL
from tests.support.servers.file_server import FileServer


def starter_as(name: str) -> dict[str, Any]:
    """The starter's manifest with another name and another image space."""
    manifest: dict[str, Any] = json.loads((STARTER_MODEL / "manifest.json").read_text("utf-8"))
    manifest["name"] = name
    manifest["image"]["resize"] = "stretch"
    manifest["text"]["image_space"] = Manifest.model_validate(manifest).image_space
    return manifest


def publish(catalog: Path, manifest: dict[str, Any], folder: Path, hub: FileServer | Path) -> None:
    """Add a model to the catalog folder, and the files of its folder to the hub."""
    name, pins = manifest["name"], {}
    for file, entry in manifest["files"].items():
        data = (folder / file).read_bytes()
        if isinstance(hub, Path):
            (hub / name).mkdir(parents=True, exist_ok=True)
            (hub / name / file).write_bytes(data)
        else:
            hub.files[f"/{name}/{file}"] = data
        pins[file] = {
            "url": f"https://hub.invalid/{name}/{file}",
            "sha256": entry["sha256"],
            "bytes": entry["bytes"],
        }
    catalog.mkdir(exist_ok=True)
    stated = {key: value for key, value in manifest.items() if key != "files"}
    entry = {"manifest": stated, "pins": pins, "evidence": []}
    (catalog / f"{name}.json").write_text(json.dumps(entry))
