"""The shipped starter folder and the sample photos, opened once for all tests of the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.embedder import Embedder
from models.quantise import Floats
from models.samples import Samples, read_samples
from models.starter_model import PREPROCESS

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def starter_folder() -> Path:
    return REPOSITORY / "layers" / "starter_model" / "starter_model"


@pytest.fixture(scope="session")
def manifest(starter_folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((starter_folder / "manifest.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="session")
def starter(starter_folder: Path) -> Embedder:
    return Embedder.of_folder(starter_folder, PREPROCESS)


@pytest.fixture(scope="session")
def samples() -> Samples:
    return read_samples(REPOSITORY / "samples")


@pytest.fixture(scope="session")
def sample_images(starter: Embedder, samples: Samples) -> Floats:
    """[85, 512]."""
    return starter.images(samples.pictures)


@pytest.fixture(scope="session")
def sample_texts(starter: Embedder, samples: Samples) -> Floats:
    """[85, 512]."""
    return starter.texts(samples.captions)
