"""The model catalog: the models that can be installed by name, with their files and manifests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import NotFound
from imagesearch.embedding.manifest import ENGLISH, Digest, FileEntry, FileName, Manifest

CATALOG = Path(__file__).parent / "catalog"
_UNKNOWN_SPACE = "0" * 64


class Pin(BaseModel):
    """The URL of a file; without `sha256` and `bytes` it is unpinned and cannot be verified."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(ge=1)] | None = None
    sha256: Digest | None = None


class CatalogEntry(BaseModel):
    """A model of the catalog.

    manifest: a manifest without `files`, and without `text.image_space` if a file that determines
        it is unpinned.
    evidence: the sources of the pinned hashes.
    quantized_from: the name of the float32 model, with which this model is compared if both are
        installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: dict[str, Any]
    pins: dict[FileName, Pin]
    evidence: list[str]
    quantized_from: str | None = None

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the queries, as in the manifest."""
        return tuple(self.manifest.get("languages", ENGLISH))

    @property
    def version(self) -> str:
        """A digest that changes with the pinned files and the manifest: 12 hexadecimal digits."""
        hashes = {name: pin.sha256 for name, pin in self.pins.items()}
        text = json.dumps([self.manifest, hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def unpinned(self) -> list[str]:
        return [name for name, pin in self.pins.items() if not (pin.sha256 and pin.bytes)]

    @property
    def graphs(self) -> set[str]:
        return {self.manifest["image"]["graph"], self.manifest["text"]["graph"]}

    @property
    def bytes(self) -> int:
        """The total size of the pinned files."""
        return sum(pin.bytes or 0 for pin in self.pins.values())

    def manifest_with(self, files: dict[FileName, FileEntry]) -> Manifest:
        """The manifest of the installed model with these files.

        Without an image space in the catalog, its text tower is for its own image tower.
        """
        text = {"image_space": _UNKNOWN_SPACE} | self.manifest["text"]
        manifest = Manifest.model_validate(self.manifest | {"text": text, "files": files})
        if text["image_space"] != _UNKNOWN_SPACE:
            return manifest
        tower = manifest.text.model_copy(update={"image_space": manifest.image_space})
        return manifest.model_copy(update={"text": tower})


def catalog_entry(name: str, folder: Path = CATALOG) -> CatalogEntry:
    """The model with this name; raises NotFound, which lists the catalog."""
    models = {model.name: model for model in catalog_entries(folder)}
    if name not in models:
        names = ", ".join(models)
        raise NotFound(f"no model is named {name!r}", f"use one of {names}", "unknown_model")
    return models[name]


def catalog_entries(folder: Path = CATALOG) -> list[CatalogEntry]:
    """All models of the catalog, by name."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stem)
    return [CatalogEntry.model_validate(json.loads(path.read_bytes())) for path in paths]
