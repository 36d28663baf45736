"""Claims: a model folder with wrong preprocessing is refused, although it finds a quarter first.

The models are the starter's own graphs, and the sentence of the refusal names the variant that is
better. Every second sample photo is enough: t is at least 3.1, and 2.3 is required. The number of
captions found first differs by one or two between CPUs.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.calibrator import LEAST_FOUND
from imagesearch.domain.errors import ModelRefused
from imagesearch.embedding.calibration_file import CalibrationFile, read_calibration
from imagesearch.embedding.manifest import MANIFEST, load_manifest
from imagesearch.embedding.self_test.run import run_self_test
from models.model_folder import write_manifest
from tests.unit.embedding.self_test.test_rejections import unmask

pytestmark = pytest.mark.slow

PHOTO_STEP, LABEL_STEP = 2, 20
WRONG = "stripped has the wrong preprocessing in its manifest: with"
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def some(photos: CalibrationSet) -> CalibrationSet:
    columns = (photos.photos, photos.captions, photos.kinds)
    fewer = photos.with_photos("samples.tsv", *(column[::PHOTO_STEP] for column in columns))
    return replace(fewer, labels=photos.labels[::LABEL_STEP], starter_found=photos.starter_found)


def state(folder: Path, **towers: dict[str, Any]) -> None:
    """Rewrite the manifest with changes of its towers."""
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    changed = {name: about[name] | fields for name, fields in towers.items()}
    write_manifest(folder, about | changed)


def state_other_normalization(folder: Path) -> None:
    state(folder, image={"mean": [1.0] * 3, "std": [0.25] * 3})


def exchange_channels(folder: Path) -> None:
    """Exchange red and blue in the weights of the first layer."""
    model = onnx.load(folder / "image.onnx")
    nodes = model.graph.node
    first = next(node for node in nodes if "pixel_values" in node.input)
    cast = next(node for node in nodes if first.input[1] in node.output)
    (weights,) = (each for each in model.graph.initializer if each.name == cast.input[0])
    exchanged = np.ascontiguousarray(numpy_helper.to_array(weights)[:, ::-1])
    weights.CopyFrom(numpy_helper.from_array(exchanged, weights.name))
    onnx.save(model, folder / "image.onnx")
    state(folder)


def pad_without_mask(folder: Path) -> None:
    """Pad texts to 64 tokens, to all of which the graph attends."""
    unmask(folder)
    state(folder, text={"length": "fixed", "max_length": 64})


@pytest.mark.parametrize(
    ("damage", "better", "stated"),
    [
        # The normalizations of CLIP, SigLIP and ImageNet are equally good for the starter.
        pytest.param(
            state_other_normalization,
            r"mean 0\.[45][\d. ]* and deviation 0\.[25][\d. ]*",
            "mean 1 and deviation 0.25",
            id="normalization",
        ),
        pytest.param(exchange_channels, "blue first", "red first", id="channels"),
        pytest.param(
            pad_without_mask,
            "texts padded to the longest",
            "texts padded to 64 tokens",
            id="padding",
        ),
    ],
)
def test_the_reason_names_the_better_variant(
    damage: Damage, better: str, stated: str, stripped: Path, some: CalibrationSet
) -> None:
    damage(stripped)
    with pytest.raises(ModelRefused, match=rf"^{WRONG} {better} .* with {stated}") as refused:
        run_self_test(stripped, some)
    recorded = _recorded(stripped)
    assert (recorded.refusal, recorded.accepted) == (refused.value.message, False)
    test = recorded.figures["test"]
    assert test["found_first"] >= LEAST_FOUND * test["photos"]
    assert test["photos"] == len(some.photos)


def _recorded(folder: Path) -> CalibrationFile:
    found = read_calibration(folder, load_manifest(folder))
    assert found
    return found
