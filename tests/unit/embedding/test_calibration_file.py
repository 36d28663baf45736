"""Claims: a calibration overrides that of the manifest, for its own model only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagesearch.calibration.calibration_set import MIN_PHOTOS, CalibrationSet
from imagesearch.calibration.calibrator import Fitted, Outcome, RetrievalFigures
from imagesearch.calibration.relevance_figures import Figures
from imagesearch.domain.errors import ConfigurationError
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.calibration_file import CALIBRATION, calibrated, read_calibration
from imagesearch.embedding.manifest import MANIFEST, load_manifest
from imagesearch.embedding.self_test.run import (
    current_result,
    self_tested,
    summary,
    write_outcome,
)
from imagesearch.search.relevance import Curve, Modality

PHOTOS = CalibrationSet("samples", [b"photo"], ["a cat"], ["cat"], ["a dog"], {}, 50)
FIGURES = Figures(84.0, 3.9, 0.977, 0.2, 0.1, 97.0, 72.0, 1.7, 0.96, 83.0, 2.4, 0.98)


def outcome(dimension: int, seed: int = 1) -> Outcome:
    rows = np.random.default_rng(seed).integers(1, 127, (12, dimension), np.int8)
    fitted = Fitted(
        labels=rows,
        photos=rows[:8],
        curves=dict.fromkeys(Modality, Curve(30.0, 0.04, 0.8)),
        neighbors={Modality.TEXT: 10, Modality.IMAGE: 8, Modality.MIXED: 8},
        temperature=0.02,
        duplicates=Weights(20, 7, 11, -28),
        held_out=FIGURES,
        on_all=FIGURES,
        nonsense_share=0.1,
    )
    recall = {"R@1": 83.5, "R@5": 95.0, "R@10": 98.0}
    return Outcome(RetrievalFigures(85, 71, recall, 97.0), fitted)


@pytest.fixture
def folder(model_copy: Path) -> Path:
    manifest = load_manifest(model_copy)
    write_outcome(model_copy, manifest, PHOTOS, outcome(manifest.dimension))
    return model_copy


def test_relevance_temperature_and_weights_are_those_of_the_calibration(folder: Path) -> None:
    plain, manifest = load_manifest(folder), calibrated(folder, load_manifest(folder))
    assert relevance(folder, manifest)
    assert manifest.prompts.temperature == 0.02
    assert manifest.prompts.templates == plain.prompts.templates
    assert manifest.duplicates.weights == Weights(20, 7, 11, -28)


def test_image_space_and_label_space_do_not_change(folder: Path) -> None:
    plain, manifest = load_manifest(folder), calibrated(folder, load_manifest(folder))
    assert (manifest.image_space, manifest.label_space) == (plain.image_space, plain.label_space)


def test_without_the_file_the_manifest_applies(model_copy: Path) -> None:
    manifest = load_manifest(model_copy)
    assert calibrated(model_copy, manifest) == manifest


def change(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / CALIBRATION).read_text())
    (folder / CALIBRATION).write_text(json.dumps(content | changes))


@pytest.mark.parametrize("changed", [{"model": "0" * 16}, {"schema_version": 2}])
def test_the_file_of_another_model_or_version_is_ignored(folder: Path, changed: Any) -> None:
    change(folder, **changed)
    assert read_calibration(folder, load_manifest(folder)) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 1}'])
def test_a_damaged_file_is_an_error_that_names_it(folder: Path, content: str) -> None:
    (folder / CALIBRATION).write_text(content)
    with pytest.raises(ConfigurationError, match=r"calibration\.json cannot be read"):
        calibrated(folder, load_manifest(folder))
    assert current_result(folder, PHOTOS) is None


def test_a_new_calibration_replaces_the_backgrounds(folder: Path) -> None:
    before = {path.name for path in folder.glob("*.npy")}
    manifest = load_manifest(folder)
    write_outcome(folder, manifest, PHOTOS, outcome(manifest.dimension, seed=2))
    after = {path.name for path in folder.glob("*.npy")}
    assert len(after) == 2
    assert not before & after
    assert relevance(folder, calibrated(folder, manifest))
    assert not list(folder.glob("*.part"))


def test_a_result_is_current_for_its_set_and_while_its_files_exist(folder: Path) -> None:
    assert current_result(folder, PHOTOS)
    other = CalibrationSet("samples", [b"other"], ["a cat"], ["cat"], ["a dog"], {}, 50)
    assert current_result(folder, other) is None
    next(folder.glob("*.npy")).unlink()
    assert current_result(folder, PHOTOS) is None


def test_the_summary_states_captions_and_the_figure_of_the_starter(folder: Path) -> None:
    found = current_result(folder, PHOTOS)
    assert found
    name = load_manifest(folder).name
    assert summary(folder, PHOTOS, found) == (
        f"{name}: finds the right sample photo first for 71 of 85 captions (starter: 50);"
        " calibrated."
    )


def test_the_summary_of_a_kept_result_names_the_photos_of_that_result(folder: Path) -> None:
    manifest = load_manifest(folder)
    own = PHOTOS.with_photos("mine.tsv", *[[b"photo"] * MIN_PHOTOS, ["a"] * MIN_PHOTOS, ["b"]])
    write_outcome(folder, manifest, own, outcome(manifest.dimension))
    kept = self_tested(folder, PHOTOS)
    assert summary(folder, PHOTOS, kept) == (
        f"{manifest.name}: finds the right photo of mine.tsv first for 71 of 85 captions;"
        " calibrated."
    )


def test_the_summary_does_not_compare_the_starter_with_itself(folder: Path) -> None:
    found = current_result(folder, PHOTOS)
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps(content | {"name": "starter"}))
    assert found
    assert summary(folder, PHOTOS, found) == (
        "starter: finds the right sample photo first for 71 of 85 captions; calibrated."
    )
