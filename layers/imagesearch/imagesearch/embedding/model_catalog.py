"""The models that are known by name: where their files are, and the manifest that they get."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import NotFound
from imagesearch.embedding.manifest import Digest, FileEntry, FileName, Manifest

KNOWN = Path(__file__).parent / "catalog"
NOT_YET = "0" * 64


class Pin(BaseModel):
    """Where a file is; without `sha256` it is unpinned: nobody vouches for its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(ge=1)] | None = None
    sha256: Digest | None = None


class CatalogEntry(BaseModel):
    """`manifest` is a manifest without `files`, and without the image space where a file that
    decides it is unpinned; `evidence` says where the pins come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: dict[str, Any]
    pins: dict[FileName, Pin]
    evidence: list[str]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """Another as soon as another file is pinned or the manifest says something else."""
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
        """The size of what is downloaded, as far as it is known."""
        return sum(pin.bytes or 0 for pin in self.pins.values())

    def manifest_with(self, files: dict[FileName, FileEntry]) -> Manifest:
        """The manifest of the pulled model; its text tower speaks to its own image tower, unless
        the known model says to which space it must."""
        text = {"image_space": NOT_YET} | self.manifest["text"]
        made = Manifest.model_validate(self.manifest | {"text": text, "files": files})
        if text["image_space"] != NOT_YET:
            return made
        fitting = made.text.model_copy(update={"image_space": made.image_space})
        return made.model_copy(update={"text": fitting})


def catalog_entry(name: str, folder: Path = KNOWN) -> CatalogEntry:
    """Raises NotFound, which names those that are known."""
    models = {model.name: model for model in catalog_entries(folder)}
    if name not in models:
        known = ", ".join(models)
        raise NotFound(f"no model is known as {name!r}", f"take one of {known}", "unknown_model")
    return models[name]


def catalog_entries(folder: Path = KNOWN) -> list[CatalogEntry]:
    """All of them, by name."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stem)
    return [CatalogEntry.model_validate(json.loads(path.read_bytes())) for path in paths]
