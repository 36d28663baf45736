"""The model catalog: the models that can be installed by name, with their files and manifests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.embedding.manifest import (
    Digest,
    FileEntry,
    FileName,
    Manifest,
    Quantized,
    first_fault,
)

CATALOG = Path(__file__).parent / "catalog"
# The model that ships, which the catalog does not list.
STARTER = "starter"
_UNKNOWN_SPACE = "0" * 64


class Pin(BaseModel):
    """The URL, size and SHA-256 of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(ge=1)]
    sha256: Digest


class CatalogEntry(BaseModel):
    """A model of the catalog.

    manifest: a manifest without `files`; without `text.image_space`, the text tower belongs to the
        image tower of the same entry.
    published: the quality that the authors or others published, with the name of the benchmark.
    good_for: the use that the model is recommended for.
    evidence: the sources of the hashes and of the published quality.
    quantized_from: the name of the float32 model, with which this model is compared if both are
        installed.
    quantization: the method that the machine which pulls the model quantizes the downloaded
        float32 graphs with, see `Quantized`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: dict[str, Any]
    pins: dict[FileName, Pin]
    published: str = ""
    good_for: str = ""
    evidence: list[str]
    quantized_from: str | None = None
    quantization: Literal["rows"] | None = None

    @model_validator(mode="after")
    def _has_a_manifest(self) -> Self:
        """The manifest is valid with the pinned files, before they are downloaded."""
        manifest = self.manifest_with(
            {name: FileEntry(sha256=pin.sha256, bytes=pin.bytes) for name, pin in self.pins.items()}
        )
        if missing := [name for name in manifest.needs if name not in self.pins]:
            raise ValueError(f"pins: {', '.join(missing)} of the manifest have no pin")
        return self

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def license(self) -> str:
        return str(self.manifest["license"])

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.manifest.get("languages", ()))

    @property
    def version(self) -> str:
        """A digest that changes with the pinned files and the manifest: 12 hexadecimal digits."""
        hashes = {name: pin.sha256 for name, pin in self.pins.items()}
        text = json.dumps([self.manifest, hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def graphs(self) -> set[str]:
        return {self.manifest["image"]["graph"], self.manifest["text"]["graph"]}

    @property
    def bytes(self) -> int:
        """The total size of the files that are downloaded."""
        return sum(pin.bytes for pin in self.pins.values())

    def origin(self, name: FileName) -> str:
        """The `FileEntry.origin` of a file of the installed model."""
        pinned = self.pins[name]
        if self.quantization and name in self.graphs:
            quantized = Quantized(sha256=pinned.sha256, method=self.quantization)
            return FileEntry(sha256=pinned.sha256, bytes=0, quantized=quantized).origin
        return pinned.sha256

    def states_preprocessing_of(self, manifest: Manifest) -> bool:
        """True if the manifest runs the pinned files as the catalog does."""
        files = {name: entry.origin for name, entry in manifest.files.items()}
        if any(files.get(name) != self.origin(name) for name in self.pins):
            return False
        published = self.manifest_with(manifest.files)
        return (published.image, published.text) == (manifest.image, manifest.text)

    def manifest_with(self, files: dict[FileName, FileEntry]) -> Manifest:
        """The manifest of the installed model with these files.

        Without an image space in the catalog, its text tower is for its own image tower.
        """
        text = {"image_space": _UNKNOWN_SPACE} | self.manifest.get("text", {})
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
    """All models of the catalog, by name. Raises ConfigurationError for an invalid entry."""
    return [_entry(path) for path in sorted(folder.glob("*.json"), key=lambda path: path.stem)]


def _entry(path: Path) -> CatalogEntry:
    hint = "correct the file, or remove it from the catalog"
    try:
        return CatalogEntry.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", hint) from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_fault(error)}", hint) from error
