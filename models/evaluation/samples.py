"""The captioned sample photos, and their embeddings by the product's encoders."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagesearch.calibration.parity import Vectors
from imagesearch.calibration.parity import vectors_of as parity_vectors
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from models.evaluation.reference_pipeline import open_picture


@dataclass(frozen=True)
class Captioned:
    """Image files with their captions."""

    pictures: list[bytes]
    captions: list[str]


def read_captioned(folder: Path) -> Captioned:
    with (folder / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    pictures = [(folder / row["path"]).read_bytes() for row in rows]
    return Captioned(pictures, [row["caption"] for row in rows])


def vectors_of(folder: Path, captioned: Captioned) -> Vectors:
    """Raises ConfigurationError for a folder that does not match its manifest."""
    model = OnnxModel(folder, load_manifest(folder))
    try:
        return parity_vectors(model.images, model.texts, captioned.pictures, captioned.captions)
    finally:
        model.close()


@dataclass(frozen=True)
class Samples:
    """Photos with caption, folder and file stem."""

    pictures: list[Image.Image]
    captions: list[str]
    folders: npt.NDArray[np.str_]
    stems: list[str]


def read_samples(folder: Path) -> Samples:
    with (folder / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    paths = [folder / row["path"] for row in rows]
    return Samples(
        pictures=[open_picture(path) for path in paths],
        captions=[row["caption"] for row in rows],
        folders=np.array([path.parent.name for path in paths]),
        stems=[path.stem for path in paths],
    )
