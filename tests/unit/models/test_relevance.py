"""Claims: the calibration of the starter model is written to its manifest, and faults are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagesearch.calibration.calibrator import Fitted
from imagesearch.calibration.relevance_figures import Figures
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.manifest import load_manifest
from imagesearch.search.relevance import Curve, Modality
from models.relevance.calibrate import faults, main, write_calibration

pytestmark = pytest.mark.slow

GOOD = Figures(84.0, 3.9, 0.977, 0.2, 0.1, 97.0, 72.0, 1.7, 0.96, 83.0, 2.4, 0.98)


@pytest.fixture
def folder(small_clip: Path, tmp_path: Path) -> Path:
    for path in small_clip.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def fitted(small_clip: Path) -> Fitted:
    dimension = load_manifest(small_clip).dimension
    rows = np.random.default_rng(1).integers(1, 127, (12, dimension), np.int8)
    return Fitted(
        labels=rows,
        photos=rows[:8],
        curves=dict.fromkeys(Modality, Curve(30.0, 0.04, 0.8)),
        neighbors={Modality.TEXT: 10, Modality.IMAGE: 8, Modality.MIXED: 8},
        temperature=0.04,
        duplicates=Weights(20, 7, 11, -28),
        held_out=GOOD,
        on_all=GOOD,
        nonsense_share=0.1,
    )


def test_a_calibrated_folder_loads_and_contains_its_figures(folder: Path, fitted: Fitted) -> None:
    space, before = load_manifest(folder).image_space, (folder / "image.onnx").read_bytes()
    found = write_calibration(folder, fitted)
    manifest = load_manifest(folder)
    assert manifest.image_space == space
    assert (folder / "image.onnx").read_bytes() == before
    assert manifest.quality
    assert manifest.quality["relevance"]["held_out"] == found.held_out.as_manifest()
    assert relevance(folder, manifest)


def test_writing_again_changes_nothing(folder: Path, fitted: Fitted) -> None:
    write_calibration(folder, fitted)
    once = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_calibration(folder, fitted)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == once


def test_an_insufficient_calibration_is_reported_with_every_reason(
    folder: Path, fitted: Fitted
) -> None:
    poor = replace(GOOD, text_auc=0.9)
    found = write_calibration(folder, replace(fitted, held_out=poor, on_all=poor))
    assert [fault for fault in faults(found) if "held out: the area is" in fault]
    assert [fault for fault in faults(found) if "on all: the area is" in fault]


def test_an_invalid_model_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "manifest.json cannot be read" in capsys.readouterr().err


def test_the_shipped_calibration_meets_the_required_figures(manifest: dict[str, Any]) -> None:
    stated = manifest["quality"]["relevance"]
    assert json.loads(json.dumps(stated)) == stated
    for part in ("held_out", "on_all"):
        figures = stated[part]
        assert figures["text_kept"] >= 80
        assert figures["text_let_through"] <= 4
        assert figures["nonsense_let_through"] <= 1
        assert figures["text_auc"] >= 0.97
