"""Claims: the starter model without its calibration, pulled from a hub, gets the shipped one.

One pull with a third of the sample photos, whose result all tests of this module read. The limits
allow for one or two photos of so few.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.relevance_fit import unit_rows
from imagesearch.calibration.retrieval import ranks, recall
from imagesearch.domain.images import Embedding
from imagesearch.embedding.calibration_file import CALIBRATION, CalibrationFile, read_calibration
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry
from imagesearch.search.relevance import Modality
from local.commands.models import pull_model
from local.models.installed import CACHE, check_files
from tests.support.paths import STARTER_MODEL

pytestmark = pytest.mark.slow

PHOTO_STEP, LABEL_STEP = 3, 10


@pytest.fixture(scope="module")
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="module")
def some(photos: CalibrationSet) -> CalibrationSet:
    """A part of the samples and of the labels: all of them take more than a minute."""
    columns = (photos.photos, photos.captions, photos.kinds)
    fewer = photos.with_photos("samples.tsv", *(column[::PHOTO_STEP] for column in columns))
    return replace(fewer, labels=photos.labels[::LABEL_STEP])


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    entry: CatalogEntry,
    console: Console,
    some: CalibrationSet,
) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("cache")))
        yield pull_model(entry.name, console, photos=some, catalog=lambda _: entry)


@pytest.fixture(scope="module")
def found(folder: Path) -> CalibrationFile:
    content = read_calibration(folder, load_manifest(folder))
    assert content
    return content


@pytest.fixture(scope="module")
def shipped_photos() -> Embedding:
    """The embeddings of all samples in their full size, which ship as a background."""
    return unit_rows(np.load(STARTER_MODEL / "background-photos.npy"))


@pytest.fixture(scope="module")
def captions(photos: CalibrationSet) -> Embedding:
    encoder = bootstrap.text_encoder(str(STARTER_MODEL))
    return np.concatenate([encoder.encode_texts([caption]) for caption in photos.captions])


def test_the_recorded_figure_of_the_starter_is_that_of_its_graphs(
    captions: Embedding, shipped_photos: Embedding, photos: CalibrationSet
) -> None:
    number = int((ranks(captions, shipped_photos) == 0).sum())
    assert number == pytest.approx(photos.starter_found, abs=1)


def test_one_line_states_the_captions_found_first(
    console: Console, found: CalibrationFile, captions: Embedding, shipped_photos: Embedding
) -> None:
    number = found.figures["test"]["found_first"]
    line = f"stripped: finds the right photo of samples.tsv first for {number} of 29 captions"
    assert f"{line}; calibrated." in console.file.getvalue()  # type: ignore[attr-defined]
    expected = ranks(captions[::PHOTO_STEP], shipped_photos[::PHOTO_STEP]) == 0
    # Vectors of texts differ slightly between CPUs.
    assert number == pytest.approx(expected.sum(), abs=1)


def test_recalls_are_those_of_the_shipped_embeddings(
    found: CalibrationFile,
    captions: Embedding,
    shipped_photos: Embedding,
    shipped_manifest: dict[str, Any],
) -> None:
    test, stated = found.figures["test"], shipped_manifest["quality"]
    expected = recall(captions[::PHOTO_STEP], shipped_photos[::PHOTO_STEP])
    assert test["text_to_image"] == pytest.approx(expected, abs=3.6)
    assert test["edit_to_original"] == pytest.approx(stated["image_to_image"]["edit_R@1"], abs=3)


def test_backgrounds_are_rows_of_the_shipped_ones(
    folder: Path, found: CalibrationFile, shipped_photos: Embedding
) -> None:
    assert found.relevance
    labels = unit_rows(np.load(STARTER_MODEL / "background-labels.npy"))
    for section, expected in (
        (found.relevance.text, labels[::LABEL_STEP]),
        (found.relevance.image, shipped_photos[::PHOTO_STEP]),
    ):
        rows = unit_rows(np.load(folder / section.background))
        cosines = (rows * expected).sum(axis=1)
        # The shipped photos were embedded in their full size.
        assert cosines.min() > 0.95
        assert np.median(cosines) > 0.99


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.MIXED])
def test_relevance_of_images_is_close_to_the_shipped_one(
    modality: Modality, folder: Path, shipped_photos: Embedding
) -> None:
    pulled = bootstrap.relevance_of(str(folder))
    shipped = bootstrap.relevance_of(str(STARTER_MODEL))
    assert pulled
    assert shipped
    for query in shipped_photos[::5]:
        one, other = (each.for_query(query, modality) for each in (pulled, shipped))
        differences = [abs(one.of(score) - other.of(score)) for score in np.linspace(0, 1, 21)]
        assert max(differences) <= 0.25


def test_relevance_separates_the_captions_of_photos_that_were_not_calibrated_with(
    folder: Path, captions: Embedding, shipped_photos: Embedding
) -> None:
    pulled = bootstrap.relevance_of(str(folder))
    assert pulled
    other = np.arange(len(captions)) % PHOTO_STEP != 0
    queries, images = captions[other], shipped_photos[other]
    relevance = np.array(
        [
            [pulled.for_query(query, Modality.TEXT).of(float(score)) for score in images @ query]
            for query in queries
        ]
    )
    own = np.eye(len(queries), dtype=bool)
    assert (relevance[own] >= 0.5).mean() >= 0.7
    assert ((relevance >= 0.5) & ~own).sum(axis=1).mean() <= 5


def test_areas_under_curves_are_close_to_the_shipped_ones(
    found: CalibrationFile, shipped_manifest: dict[str, Any]
) -> None:
    stated = shipped_manifest["quality"]["relevance"]
    for part in ("held_out", "on_all"):
        measured, expected = found.figures["relevance"][part], stated[part]
        for name in ("text_auc", "mixed_auc"):
            assert measured[name] == pytest.approx(expected[name], abs=0.02), name
        assert measured["edits_kept"] == pytest.approx(expected["edits_kept"], abs=4)
        assert measured["nonsense_let_through"] <= 1


def test_label_temperature_and_duplicate_weights_are_close_to_the_shipped_ones(
    folder: Path, shipped_manifest: dict[str, Any]
) -> None:
    manifest = bootstrap.manifest_of(str(folder))
    assert manifest.prompts.temperature == pytest.approx(
        shipped_manifest["classify"]["temperature"], rel=0.25
    )
    shipped = load_manifest(STARTER_MODEL).duplicates
    assert manifest.duplicates != shipped
    for name in ("cosine", "hash", "overlap", "bias"):
        assert getattr(manifest.duplicates, name) == pytest.approx(getattr(shipped, name), rel=0.3)


def test_image_space_label_space_and_manifest_do_not_change(
    folder: Path, stripped_manifest: dict[str, Any]
) -> None:
    manifest, shipped = bootstrap.manifest_of(str(folder)), load_manifest(STARTER_MODEL)
    assert manifest.image_space == shipped.image_space
    assert manifest.label_space == shipped.label_space
    assert "relevance" not in json.loads((folder / "manifest.json").read_text("utf-8"))
    assert check_files(folder).relevance is None


def test_a_second_pull_does_not_test_again(
    folder: Path, entry: CatalogEntry, console: Console, some: CalibrationSet
) -> None:
    written = (folder / CALIBRATION).stat().st_mtime_ns
    again = pull_model(entry.name, console, photos=some, catalog=lambda _: entry)
    assert again == folder
    assert (folder / CALIBRATION).stat().st_mtime_ns == written
