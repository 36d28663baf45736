"""The file `calibration.json` of a model folder: figures and calibration of the self-test.

It overrides the calibration of the manifest. The manifest, the image space and the name of the
index do not change. It is bound to the model by a digest: the file of another model, or of another
version of the format, is ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from imagesearch.domain.errors import ConfigurationError, ModelRefused
from imagesearch.embedding.manifest import (
    Calibration,
    ClassifySection,
    DuplicateWeights,
    FileEntry,
    FileName,
    Manifest,
    ManifestModel,
    Positive,
    digest_of,
)
from imagesearch.json_objects import json_object

CALIBRATION = "calibration.json"
SCHEMA_VERSION = 1
ShortDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class CalibrationFile(ManifestModel):
    """The content of `calibration.json`.

    model: see `model_digest`.
    calibration_set: name and digest of the set of photos.
    figures: the results of the self-test, for information.
    refusal: the reason why the self-test refused the model, which is then not calibrated.
    accepted: False for a refused model that must not be used; see `calibrated`.
    """

    schema_version: Literal[1] = 1
    model: ShortDigest
    calibration_set: tuple[str, ShortDigest]
    relevance: Calibration | None = None
    temperature: Positive | None = None
    duplicates: DuplicateWeights | None = None
    files: dict[FileName, FileEntry] = Field(default_factory=dict)
    figures: dict[str, Any]
    refusal: str = ""
    accepted: bool = True

    def applied_to(self, manifest: Manifest) -> Manifest:
        """The manifest with this calibration."""
        if self.relevance is None:
            return manifest
        prompts = manifest.prompts
        temperature = self.temperature or prompts.temperature
        classify = ClassifySection(templates=prompts.templates, temperature=temperature)
        update = {
            "relevance": self.relevance,
            "classify": classify,
            "duplicates": self.duplicates or manifest.duplicates,
            "files": manifest.files | self.files,
        }
        return manifest.model_copy(update=update)

    def as_text(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def model_digest(manifest: Manifest) -> str:
    """A digest of everything that determines the vectors of images, texts and labels."""
    return digest_of({"image": manifest.image_space, "text": manifest.label_space})


def read_calibration(folder: Path, manifest: Manifest) -> CalibrationFile | None:
    """The file of this model; None if there is none. Raises ConfigurationError if it is damaged."""
    path = folder / CALIBRATION
    try:
        content = json_object(path.read_bytes())
        if content["schema_version"] != SCHEMA_VERSION:
            return None
        found = CalibrationFile.model_validate(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {str(error).splitlines()[0]}",
            "delete it, and calibrate the model again (docs/how-to/tune-relevance.md)",
            "invalid_model",
        ) from error
    return found if found.model == model_digest(manifest) else None


def refusal_of(folder: Path, manifest: Manifest) -> str:
    """The reason why the self-test refused the model; empty if it did not, or was overruled.

    Raises ConfigurationError.
    """
    found = read_calibration(folder, manifest)
    return found.refusal if found and not found.accepted else ""


def calibrated(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest with the calibration of the folder, if it has one.

    Raises ModelRefused for a model that the self-test refused, unless it was accepted. Raises
    ConfigurationError.
    """
    found = read_calibration(folder, manifest)
    if found and not found.accepted:
        raise ModelRefused(
            found.refusal,
            "use another model, or accept this one with `imagesearch models calibrate --accept`",
        )
    return found.applied_to(manifest) if found else manifest
