"""Claims: an untrained model and one with wrong preprocessing are rejected with a reason.

The wrong models are the starter's own graphs: with red and blue exchanged, with another mean, and
with a text graph that does not mask its padding. The whole test of the right one is in
`test_pulled_starter`. Most tests of an untrained CLIP use a small one.
"""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import MIN_PHOTOS, CalibrationSet
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.calibration.ports import Alternative, Kind, Step
from imagesearch.calibration.preprocessing_check import Better, Measured, better_variant
from imagesearch.calibration.retrieval import ranks, recall
from imagesearch.domain.errors import ModelRefused
from imagesearch.domain.images import Embedding
from imagesearch.embedding.calibration_file import CALIBRATION, read_calibration
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from imagesearch.embedding.self_test.run import parity_faults, run_self_test
from imagesearch.embedding.session import plainly_exact
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.models.calibration import calibrate_model
from local.models.puller import Puller
from models.clip.build_random import build
from models.clip.weights import VIT_B_32
from models.evaluation.preprocessing_errors import Preprocessings
from models.evaluation.samples import read_samples
from models.model_folder import write_manifest
from models.quantization.quantize import quantize
from tests.support.paths import SAMPLES, STARTER_MODEL
from tests.unit.embedding.self_test.conftest import copy_starter
from tests.unit.models.conftest import SMALL_CLIP, small_clip  # noqa: F401

pytestmark = pytest.mark.slow

CLIP_TOKENIZER = Path(__file__).parents[1] / "data" / "clip-tokenizer.json"
LABEL_STEP = 20
CHANNELS, NORMALIZATION, RESIZE = Step.CHANNELS, Step.NORMALIZATION, Step.RESIZE
SWAPPED, UNSCALED, STRETCHED = "blue first", "mean 0 and deviation 1", "stretching"
LONGEST, PADDED = "texts padded to the longest", "texts padded to 64 tokens"


class Starter(NamedTuple):
    """The starter with a few preprocessings, and the captions of an unmasked text graph."""

    preprocessings: Preprocessings
    unmasked_captions: dict[str, Embedding]


@pytest.fixture(scope="module")
def starter(
    photos: CalibrationSet, stripped_manifest: dict[str, Any], tmp_path_factory: Any
) -> Iterator[Starter]:
    """The text graph of the second padding does not mask it, as in a CLIP without a mask."""
    folder = tmp_path_factory.mktemp("starter") / "stripped"
    copy_starter(folder, stripped_manifest)
    few = replace(photos, labels=photos.labels[::LABEL_STEP])
    model = OnnxModel(folder, load_manifest(folder))
    try:
        alternatives = [
            each
            for each in model.alternatives()
            if each.description in (SWAPPED, UNSCALED, STRETCHED)
        ]
        preprocessings = Preprocessings(model, few, alternatives)
        unmask(folder)
        unmasked = OnnxTextEncoder(folder, load_manifest(folder))
        captions = {
            name: np.concatenate([encoder.encode_texts([text]) for text in photos.captions])
            for name, encoder in ((LONGEST, unmasked), (PADDED, unmasked.with_length(64)))
        }
        yield Starter(preprocessings, captions)
    finally:
        model.close()


def unmask(folder: Path) -> None:
    """Replace the attention mask in the text graph by ones."""
    graph = onnx.load(folder / "text.onnx")
    for node in graph.graph.node:
        node.input[:] = ["all" if name == "attention_mask" else name for name in node.input]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    shape = helper.make_node("Shape", ["input_ids"], ["ids.shape"])
    ones = helper.make_node("ConstantOfShape", ["ids.shape"], ["all"], value=one)
    graph.graph.node.insert(0, ones)
    graph.graph.node.insert(0, shape)
    onnx.save(graph, folder / "text.onnx")
    write_manifest(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.mark.parametrize(
    ("errors", "photo_step"),
    [
        ({CHANNELS: SWAPPED}, 2),
        ({NORMALIZATION: UNSCALED}, 1),
        ({CHANNELS: SWAPPED, RESIZE: STRETCHED}, 2),
    ],
    ids=["channels", "normalization", "channels+resize"],
)
def test_wrong_colors_are_corrected_alone_and_with_another_error(
    starter: Starter, photos: CalibrationSet, errors: dict[Step, str], photo_step: int
) -> None:
    """Half of the photos are enough where t is 3.1 of them, and 2.3 is required."""
    right = starter.preprocessings.right
    found = starter.preprocessings.better(errors, range(len(photos.photos))[::photo_step])
    assert found
    corrected = {each.step: each.description for each in found.variant}
    colors = {step: right[step] for step in errors if step.kind is Kind.COLORS}
    assert corrected == colors
    assert found.gain >= 0.03


@pytest.mark.parametrize("resize", [{}, {RESIZE: STRETCHED}], ids=["stated", "stretching"])
def test_right_colors_are_accepted_with_resizing_that_costs_nothing(
    starter: Starter, photos: CalibrationSet, resize: dict[Step, str]
) -> None:
    stated = starter.preprocessings.right | resize
    assert starter.preprocessings.better(stated, range(len(photos.photos))[::2]) is None


def test_unmasked_padding_is_distinguished_from_none(starter: Starter) -> None:
    images, captions = starter.preprocessings.photos({}), starter.unmasked_captions

    def better(stated: str, other: str) -> Better | None:
        return better_variant(
            Measured(captions[stated], images, starter.preprocessings.labels),
            [Alternative(Step.PADDING, stated, other)],
            lambda _, __: images,
            lambda variant, rows: captions[variant[0].description][list(rows)],
        )

    found = better(PADDED, LONGEST)
    assert found
    assert found.variant[0].description == LONGEST
    assert found.found > found.stated_found
    assert better(LONGEST, PADDED) is None


def test_all_photos_have_the_figures_that_ship(
    starter: Starter, photos: CalibrationSet, shipped_manifest: dict[str, Any]
) -> None:
    """The photos are those of the self-test, and not in their full size."""
    captions, images = starter.preprocessings.captions, starter.preprocessings.photos({})
    found = int((ranks(captions, images) == 0).sum())
    # Vectors of texts differ slightly between CPUs.
    assert found == pytest.approx(photos.starter_found, abs=1)
    stated = shipped_manifest["quality"]["text_to_image"]
    assert recall(captions, images) == pytest.approx(stated, abs=2.5)


def test_a_graph_with_exchanged_channels_gives_the_vectors_of_exchanged_photos(
    starter: Starter, photos: CalibrationSet, stripped: Path
) -> None:
    graph = onnx.load(stripped / "image.onnx")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "order"))
    for node in graph.graph.node:
        node.input[:] = ["exchanged" if name == "pixel_values" else name for name in node.input]
    exchange = helper.make_node("Gather", ["pixel_values", "order"], ["exchanged"], axis=1)
    graph.graph.node.insert(0, exchange)
    onnx.save(graph, stripped / "image.onnx")
    write_manifest(stripped, json.loads((stripped / "manifest.json").read_text()))
    encoder = OnnxImageEncoder(stripped, load_manifest(stripped))
    try:
        images = PhotoEmbeddings(photos.photos, encoder, PillowEditor(), lambda _: None)
        exchanged = starter.preprocessings.photos({CHANNELS: SWAPPED}, range(3))
        assert images.vectors(range(3)) == pytest.approx(exchanged, abs=1e-3)
    finally:
        encoder.close()


@pytest.fixture
def silent() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture
def untrained(small_clip: Path, tmp_path: Path) -> Path:  # noqa: F811
    folder = tmp_path / "untrained"
    folder.mkdir()
    for path in small_clip.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_an_untrained_model_is_rejected_and_only_the_refusal_is_written(
    untrained: Path, silent: Console, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in untrained.iterdir()}
    with pytest.raises(ModelRefused, match=r"first for \d of 85 captions, fewer than 25%"):
        calibrate_model(str(untrained), tmp_path, silent)
    after = {path.name: path.read_bytes() for path in untrained.iterdir()}
    refusal = json.loads(after.pop(CALIBRATION))
    assert (refusal["accepted"], refusal["figures"]["test"]["photos"]) == (False, 85)
    assert after == before


@pytest.mark.parametrize("is_of_samples", [True, False])
def test_a_calibration_in_the_manifest_is_kept_by_a_refusal(
    is_of_samples: bool, photos: CalibrationSet, tmp_path: Path
) -> None:
    folder = tmp_path / "starter"
    shutil.copytree(STARTER_MODEL, folder)
    captions = [*photos.captions[1:MIN_PHOTOS], photos.captions[0]]
    wrong = photos.with_photos(
        "captions.tsv", photos.photos[:MIN_PHOTOS], captions, photos.kinds[:MIN_PHOTOS]
    )
    found = photos.starter_found if is_of_samples else None
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        run_self_test(folder, replace(wrong, labels=photos.labels[::10], starter_found=found))
    assert not (folder / CALIBRATION).exists()
    assert bootstrap.manifest_of(str(folder)).relevance


def test_an_untrained_model_of_full_size_is_rejected(silent: Console, tmp_path: Path) -> None:
    """CLIP ViT-B/32 in int8, as `models pull` leaves it on this machine."""
    float32, folder = tmp_path / "float32", tmp_path / "int8"
    build(VIT_B_32, CLIP_TOKENIZER, float32, seed=0)
    method = ("dynamic" if plainly_exact() else "dynamic-unsigned", ())
    quantize(float32, folder, image=method, text=method, samples=lambda: read_samples(SAMPLES))
    shutil.rmtree(float32)
    with pytest.raises(ModelRefused, match=r"first for \d of 85 captions, fewer than 25%"):
        calibrate_model(str(folder), tmp_path, silent)


def test_an_accepted_model_has_its_figures_recorded_and_no_calibration(
    untrained: Path, silent: Console, tmp_path: Path
) -> None:
    captions = tmp_path / "captions.tsv"
    rows = (SAMPLES / "samples.tsv").read_text("utf-8").splitlines()[: MIN_PHOTOS + 1]
    captions.write_text("\n".join([rows[0], *(f"{SAMPLES}/{row}" for row in rows[1:])]), "utf-8")
    row = calibrate_model(str(untrained), tmp_path, silent, captions, accept=True)
    assert "; not calibrated: " in row["summary"]
    found = read_calibration(untrained, load_manifest(untrained))
    assert found
    assert json.loads(json.dumps(row))["figures"] == json.loads(json.dumps(found.figures))
    assert found.figures["test"]["photos"] == MIN_PHOTOS
    assert "fewer than 25%" in found.refusal
    assert found.relevance is None
    assert found.applied_to(load_manifest(untrained)) == load_manifest(untrained)
    assert not list(untrained.glob("*.npy"))
    assert (untrained / CALIBRATION).is_file()


def test_a_rejected_model_is_not_installed_and_accepted_without_another_download(
    tmp_path: Path, hub: Any, entry: Any
) -> None:
    def reject(folder: Path) -> None:
        raise ModelRefused("it finds nothing")

    cache = tmp_path / "models"
    with pytest.raises(ModelRefused):
        Puller(cache, self_test=reject).pull(entry)
    assert not (cache / entry.name).exists()
    requests = len(hub.requests)
    assert Puller(cache).pull(entry) == cache / entry.name
    assert len(hub.requests) == requests


def test_an_installed_model_that_is_rejected_later_is_removed(
    tmp_path: Path, hub: Any, entry: Any
) -> None:
    def reject(folder: Path) -> None:
        raise ModelRefused("it finds nothing")

    cache = tmp_path / "models"
    folder = Puller(cache).pull(entry)
    with pytest.raises(ModelRefused):
        Puller(cache, self_test=reject).pull(entry)
    assert not folder.exists()


def test_colors_are_compared_with_every_family_of_models(stripped: Path) -> None:
    model = OnnxModel(stripped, load_manifest(stripped))
    described = {each.description for each in model.alternatives()}
    model.close()
    assert {"blue first", "padding", "stretching", "a center crop", "bilinear"} - described == {
        "padding"
    }
    assert {each.step for each in model.alternatives()} == set(Step)


def test_a_model_far_from_its_float32_original_is_rejected(
    untrained: Path,
    small_clip: Path,  # noqa: F811
    tmp_path: Path,
    photos: CalibrationSet,
) -> None:
    some = replace(photos, photos=photos.photos[:4], captions=photos.captions[:4])
    other = tmp_path / "other"
    build(SMALL_CLIP, small_clip / "tokenizer.json", other, seed=4)
    model = OnnxModel(untrained, load_manifest(untrained))
    try:
        assert parity_faults(model, None, some) == ()
        found = parity_faults(model, other, some)
        assert any(fault.startswith("image graph: median cosine to float32 is") for fault in found)
        assert any(fault.startswith("text graph: worst cosine to float32 is") for fault in found)
    finally:
        model.close()
