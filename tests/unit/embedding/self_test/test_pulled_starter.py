"""Claims: the starter model without its calibration, pulled from a hub, gets the shipped figures.

One run of the self-test on all photos, whose result all tests of this module read.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.embedding.calibration_file import CALIBRATION, CalibrationFile, read_calibration
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry
from imagesearch.search.relevance import Modality
from local.commands.models import pull_model
from local.models import CACHE, check_files
from tests.support.paths import STARTER_MODEL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, entry: CatalogEntry, console: Console
) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("cache")))
        yield pull_model(entry.name, False, console, catalog=lambda _: entry)


@pytest.fixture(scope="module")
def found(folder: Path) -> CalibrationFile:
    content = read_calibration(folder, load_manifest(folder))
    assert content
    return content


def test_one_line_states_the_captions_found_first(
    folder: Path, console: Console, found: CalibrationFile, photos: CalibrationSet
) -> None:
    number = found.figures["test"]["found_first"]
    line = f"stripped: finds the right sample photo first for {number} of 85 captions (starter: 50)"
    assert f"{line}; calibrated." in console.file.getvalue()  # type: ignore[attr-defined]
    # Vectors of texts differ slightly between CPUs.
    assert number == pytest.approx(photos.starter_found, abs=1)


def test_recalls_are_those_of_the_shipped_manifest(
    found: CalibrationFile, shipped_manifest: dict[str, Any]
) -> None:
    test, stated = found.figures["test"], shipped_manifest["quality"]
    assert test["text_to_image"] == pytest.approx(stated["text_to_image"], abs=2.5)
    assert test["edit_to_original"] == pytest.approx(stated["image_to_image"]["edit_R@1"], abs=1)


def test_relevance_is_that_of_the_shipped_manifest(
    folder: Path, found: CalibrationFile, photos: CalibrationSet
) -> None:
    pulled, shipped = (
        bootstrap.relevance_of(str(folder)),
        bootstrap.relevance_of(str(STARTER_MODEL)),
    )
    assert pulled
    assert shipped
    texts = bootstrap.text_encoder(str(STARTER_MODEL)).encode_texts(photos.captions)
    scores = np.linspace(0, 1, 21)
    for modality in Modality:
        for query in texts[::5]:
            one, other = (each.for_query(query, modality) for each in (pulled, shipped))
            differences = [abs(one.of(score) - other.of(score)) for score in scores]
            assert max(differences) <= 0.05


def test_figures_of_relevance_are_those_of_the_shipped_manifest(
    found: CalibrationFile, shipped_manifest: dict[str, Any]
) -> None:
    stated = shipped_manifest["quality"]["relevance"]
    for part in ("held_out", "on_all"):
        measured, expected = found.figures["relevance"][part], stated[part]
        for name, value in expected.items():
            # Three photos of 85; 0.2 photos a query; areas under curves.
            allowed = 3.6 if name.endswith("kept") else 0.005 if name.endswith("auc") else 0.2
            assert measured[name] == pytest.approx(value, abs=allowed), name


def test_label_temperature_and_duplicate_weights_are_those_of_the_shipped_manifest(
    folder: Path, shipped_manifest: dict[str, Any]
) -> None:
    manifest = bootstrap.manifest_of(str(folder))
    assert manifest.prompts.temperature == pytest.approx(
        shipped_manifest["classify"]["temperature"], rel=0.1
    )
    shipped = load_manifest(STARTER_MODEL).duplicates
    assert manifest.duplicates != shipped
    for name in ("cosine", "hash", "overlap", "bias"):
        assert getattr(manifest.duplicates, name) == pytest.approx(getattr(shipped, name), rel=0.1)


def test_image_space_label_space_and_manifest_do_not_change(
    folder: Path, stripped_manifest: dict[str, Any]
) -> None:
    manifest, shipped = bootstrap.manifest_of(str(folder)), load_manifest(STARTER_MODEL)
    assert manifest.image_space == shipped.image_space
    assert manifest.label_space == shipped.label_space
    assert "relevance" not in json.loads((folder / "manifest.json").read_text("utf-8"))
    assert check_files(folder).relevance is None


def test_a_second_pull_does_not_test_again(
    folder: Path, entry: CatalogEntry, console: Console
) -> None:
    written = (folder / CALIBRATION).stat().st_mtime_ns
    again = pull_model(entry.name, False, console, catalog=lambda _: entry)
    assert again == folder
    assert (folder / CALIBRATION).stat().st_mtime_ns == written
