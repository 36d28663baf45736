"""Claims: an untrained model and one with wrong preprocessing are refused, each with the reason.

The wrong ones are the starter's own graphs: with red and blue exchanged, with another mean, and
with a text graph that does not mask its padding. The right one passes in `test_pulled_starter`.
The untrained CLIP is small, because a full-size one takes minutes.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.calibrator import Calibrator, Outcome
from imagesearch.calibration.ports import Variant, VariantKind
from imagesearch.domain.errors import ModelRefused
from imagesearch.embedding.calibration_file import CALIBRATION, read_calibration
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from imagesearch.embedding.self_test.run import parity_faults
from local.commands.models import calibrate_model
from local.models import Puller
from models.clip.build_random import build
from models.model_folder import write_manifest
from tests.unit.models.conftest import SMALL_CLIP, small_clip  # noqa: F401

pytestmark = pytest.mark.slow


class WithVariants(OnnxModel):
    """The model with some of its variants, to save time."""

    wanted: Sequence[str] = ()

    def variants(self) -> Sequence[Variant]:
        return [each for each in super().variants() if each.description in self.wanted]


def tested(folder: Path, photos: CalibrationSet, *wanted: str) -> Outcome:
    """The outcome of the test up to the preprocessing; a model that passes it "is inaccurate"."""
    model = WithVariants(folder, load_manifest(folder))
    model.wanted = wanted
    some = replace(photos, labels=photos.labels[::5])
    try:
        return Calibrator(model, some, PillowEditor()).run(lambda: ["the rest is left out"])
    finally:
        model.close()


def rewrite(folder: Path, **changes: dict[str, Any]) -> None:
    """Change sections of the manifest, and write the hashes and the image space of the files."""
    about = json.loads((folder / "manifest.json").read_text())
    about |= {name: about[name] | change for name, change in changes.items()}
    write_manifest(folder, about)


def test_red_and_blue_exchanged_are_detected(stripped: Path, photos: CalibrationSet) -> None:
    graph = onnx.load(stripped / "image.onnx")
    order = numpy_helper.from_array(np.array([2, 1, 0]), "order")
    graph.graph.initializer.append(order)
    for node in graph.graph.node:
        node.input[:] = ["exchanged" if name == "pixel_values" else name for name in node.input]
    exchange = helper.make_node("Gather", ["pixel_values", "order"], ["exchanged"], axis=1)
    graph.graph.node.insert(0, exchange)
    onnx.save(graph, stripped / "image.onnx")
    rewrite(stripped)
    refusal = tested(stripped, photos, "blue first", "stretching").refusal
    assert refusal.startswith("stripped has the wrong preprocessing in its manifest: with blue fir")
    assert "of 85 captions, with red first for" in refusal


def test_a_wrong_mean_is_detected(stripped: Path, photos: CalibrationSet) -> None:
    rewrite(stripped, image={"mean": [0, 0, 0], "std": [1, 1, 1]})
    right = "mean 0.5 and deviation 0.5"
    assert f"with {right} it finds" in tested(stripped, photos, right, "bilinear").refusal


def test_a_wrong_padding_of_texts_is_detected(stripped: Path, photos: CalibrationSet) -> None:
    graph = onnx.load(stripped / "text.onnx")
    for node in graph.graph.node:
        node.input[:] = ["all" if name == "attention_mask" else name for name in node.input]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    shape = helper.make_node("Shape", ["input_ids"], ["ids.shape"])
    ones = helper.make_node("ConstantOfShape", ["ids.shape"], ["all"], value=one)
    graph.graph.node.insert(0, ones)
    graph.graph.node.insert(0, shape)
    onnx.save(graph, stripped / "text.onnx")
    rewrite(stripped, text={"length": "fixed", "max_length": 64})
    right = "texts padded to the longest"
    assert f"with {right} it finds" in tested(stripped, photos, right).refusal


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


def test_an_untrained_model_is_refused_and_nothing_is_written(
    untrained: Path, silent: Console, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in untrained.iterdir()}
    with pytest.raises(ModelRefused, match=r"first for \d of 85 captions, fewer than 25%"):
        calibrate_model(str(untrained), tmp_path, silent)
    assert {path.name: path.read_bytes() for path in untrained.iterdir()} == before


def test_an_accepted_model_has_its_figures_recorded_and_no_calibration(
    untrained: Path, silent: Console, tmp_path: Path
) -> None:
    line = calibrate_model(str(untrained), tmp_path, silent, accept=True)
    assert "; not calibrated: " in line
    found = read_calibration(untrained, load_manifest(untrained))
    assert found
    assert found.figures["test"]["photos"] == 85
    assert "fewer than 25%" in found.refusal
    assert found.relevance is None
    assert found.applied_to(load_manifest(untrained)) == load_manifest(untrained)
    assert not list(untrained.glob("*.npy"))
    assert (untrained / CALIBRATION).is_file()


def test_a_refused_model_is_not_installed_and_accepted_without_another_download(
    tmp_path: Path, hub: Any, entry: Any
) -> None:
    def refuse(folder: Path) -> None:
        raise ModelRefused("it finds nothing")

    cache = tmp_path / "models"
    with pytest.raises(ModelRefused):
        Puller(cache, self_test=refuse).pull(entry)
    assert not (cache / entry.name).exists()
    requests = len(hub.requests)
    assert Puller(cache).pull(entry) == cache / entry.name
    assert len(hub.requests) == requests


def test_an_installed_model_that_is_refused_later_is_removed(
    tmp_path: Path, hub: Any, entry: Any
) -> None:
    def refuse(folder: Path) -> None:
        raise ModelRefused("it finds nothing")

    cache = tmp_path / "models"
    folder = Puller(cache).pull(entry)
    with pytest.raises(ModelRefused):
        Puller(cache, self_test=refuse).pull(entry)
    assert not folder.exists()


def test_colors_are_compared_with_every_family_of_models(stripped: Path) -> None:
    model = OnnxModel(stripped, load_manifest(stripped))
    described = {each.description for each in model.variants()}
    model.close()
    assert {"blue first", "padding", "stretching", "a center crop", "bilinear"} - described == {
        "padding"
    }
    assert {each.kind for each in model.variants()} == set(VariantKind)


def test_a_model_far_from_its_float32_original_is_refused(
    untrained: Path,
    small_clip: Path,  # noqa: F811
    tmp_path: Path,
    photos: CalibrationSet,
) -> None:
    some = replace(photos, photos=photos.photos[:12], captions=photos.captions[:12])
    other = tmp_path / "other"
    build(SMALL_CLIP, small_clip / "tokenizer.json", other, seed=4)
    model = OnnxModel(untrained, load_manifest(untrained))
    try:
        assert parity_faults(model, None, some) == ()
        found = parity_faults(model, other, some)
        assert any(fault.startswith("image graph: median cosine to float32 is") for fault in found)
        assert any(fault.startswith("text graph: worst cosine to float32 is") for fault in found)
        same = parity_faults(model, small_clip, some)
    finally:
        model.close()
    assert not [fault for fault in same if "float32" in fault]
