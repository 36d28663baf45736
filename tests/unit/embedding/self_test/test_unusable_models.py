"""Claims: a model that cannot be used is refused with one reason, and nothing uses it afterwards.

The models are those of a few bytes; six colors are the photos.
"""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from rich.console import Console
from tokenizers import Tokenizer, models

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.domain.errors import ConfigurationError, ModelRefused
from imagesearch.embedding.calibration_file import CALIBRATION, calibrated
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from imagesearch.embedding.self_test.run import (
    parity_faults,
    recorded_result,
    run_self_test,
    self_tested,
)
from local.evaluation.listing import cells, listed_models
from local.model_switch.install import ensure_tested
from local.models.installed import CACHE, must_be_tested
from local.models.verification import verify_model
from tests.unit.embedding.conftest import DIMENSION, write_manifest

pytestmark = pytest.mark.slow

NAMES = ("red", "green", "blue", "yellow", "cyan", "magenta")
Damage = Callable[[Path], object]


def photo(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def colors() -> CalibrationSet:
    photos = [photo(name) for name in NAMES]
    return CalibrationSet("samples", photos, NAMES, NAMES, ["a bicycle"], {"a": ["a"]}, 1)


def with_output(graph: str, operator: str, *constants: object) -> Damage:
    """Passes the output of a graph through an operator; the graph then states no shape."""

    def damage(folder: Path) -> None:
        model = onnx.load(folder / graph)
        output = model.graph.output[0]
        model.graph.node[-1].output[0] = "before"
        names = [f"constant{place}" for place in range(len(constants))]
        model.graph.initializer.extend(
            map(numpy_helper.from_array, map(np.array, constants), names)
        )
        model.graph.node.append(helper.make_node(operator, ["before", *names], [output.name]))
        output.type.tensor_type.ClearField("shape")
        onnx.save(model, folder / graph)
        write_manifest(folder, {})

    return damage


def cut(name: str, size: int) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:size])
        write_manifest(folder, {})

    return damage


def exchange_towers(folder: Path) -> None:
    (folder / "image.onnx").rename(folder / "other")
    (folder / "text.onnx").rename(folder / "image.onnx")
    (folder / "other").rename(folder / "text.onnx")
    write_manifest(folder, {})


def exchange_tokenizer(folder: Path) -> None:
    words = {"[PAD]": 0, "[UNK]": 900} | {name: 901 + place for place, name in enumerate(NAMES)}
    Tokenizer(models.WordLevel(words, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    write_manifest(folder, {})


def require_other_pixels(folder: Path) -> None:
    model = onnx.load(folder / "image.onnx")
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 224
    onnx.save(model, folder / "image.onnx")
    write_manifest(folder, {})


NAN, ZERO = np.float32("nan"), np.float32(0)
WIDE = np.ones((DIMENSION, 7), np.float32)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(*case, id=case[1])
        for case in (
            (with_output("image.onnx", "Mul", NAN), "no usable vector for a photo"),
            (with_output("text.onnx", "Mul", NAN), "no usable vector for 'red'"),
            (with_output("text.onnx", "Mul", ZERO), "no usable vector for 'red'"),
            (with_output("image.onnx", "MatMul", WIDE), "image_embeds' has 7 dimensions, but"),
            (with_output("text.onnx", "MatMul", WIDE), "text_embeds' has 7 dimensions, but"),
            (with_output("image.onnx", "Unsqueeze", np.int64([1])), "has 3 axes instead of 2"),
            (cut("image.onnx", 100), r"image\.onnx cannot be loaded: Protobuf parsing failed"),
            (cut("text.onnx", 0), r"text\.onnx cannot be loaded: No graph was found"),
            (cut("tokenizer.json", 40), r"tokenizer\.json cannot be loaded"),
            (exchange_towers, r"image\.onnx has the inputs \['attention_mask', 'input_ids'\]"),
            (exchange_tokenizer, r"text\.onnx cannot be run: .*out of data bounds"),
            (require_other_pixels, "requires images of 224 x 224 pixels, .* the size 32"),
        )
    ],
)
def test_the_reason_is_one_line_and_the_model_is_never_used(
    damage: Damage, reason: str, model_copy: Path, colors: CalibrationSet
) -> None:
    damage(model_copy)
    with pytest.raises(ModelRefused, match=reason) as refused:
        run_self_test(model_copy, colors)
    assert "\n" not in refused.value.message
    assert "ONNXRuntimeError" not in refused.value.message
    with pytest.raises(ModelRefused, match=reason):
        bootstrap.manifest_of(str(model_copy))


@pytest.fixture
def constant(model_copy: Path) -> Path:
    """A model whose vectors of images are all the same."""
    with_output("image.onnx", "Pow", ZERO)(model_copy)
    return model_copy


def test_a_model_with_one_vector_for_all_photos_is_refused_until_it_is_accepted(
    constant: Path, colors: CalibrationSet
) -> None:
    with pytest.raises(ModelRefused, match="first for 0 of 6 captions, fewer than 25%"):
        self_tested(constant, colors)
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        bootstrap.manifest_of(str(constant))
    assert recorded_result(constant) is None
    assert must_be_tested("tiny", constant)
    found = self_tested(constant, colors, accept=True)
    assert found.figures["test"]["found_first"] == 0
    assert bootstrap.manifest_of(str(constant)).relevance is None
    assert not must_be_tested("tiny", constant)


def test_a_refusal_does_not_replace_an_earlier_result(
    constant: Path, colors: CalibrationSet
) -> None:
    run_self_test(constant, colors, accept=True)
    written = (constant / CALIBRATION).read_text()
    with pytest.raises(ModelRefused):
        run_self_test(constant, colors)
    assert (constant / CALIBRATION).read_text() == written
    assert calibrated(constant, load_manifest(constant)).name == "tiny"


def test_photos_of_the_user_do_not_make_a_model_unusable(
    constant: Path, colors: CalibrationSet
) -> None:
    """Their captions may be at fault."""
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        run_self_test(constant, replace(colors, starter_found=None))
    assert not (constant / CALIBRATION).exists()
    assert must_be_tested("tiny", constant)


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_a_damaged_or_missing_file_is_no_refusal(
    name: str, model_copy: Path, colors: CalibrationSet
) -> None:
    whole = (model_copy / name).read_bytes()
    for damage in (lambda path: path.write_bytes(whole[:-1]), Path.unlink):
        damage(model_copy / name)
        with pytest.raises(ConfigurationError, match=f"{name} (has|cannot be read)") as found:
            self_tested(model_copy, colors)
        assert found.value.code == "damaged_model"
        assert not (model_copy / CALIBRATION).exists()
    (model_copy / name).write_bytes(whole)
    assert bootstrap.manifest_of(str(model_copy)).name == "tiny"


def test_a_refused_model_is_listed_as_refused_and_fails_its_verification(
    constant: Path, colors: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    with pytest.raises(ModelRefused):
        run_self_test(constant, colors)
    installed = tmp_path / "models" / "tiny"
    shutil.copytree(constant, installed)
    [row] = [each for each in listed_models(tmp_path) if each.name == "tiny"]
    assert row.state == "refused"
    assert "fewer than 25%" in cells(row, measured=False)[-1]
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        verify_model("tiny", tmp_path)
    run_self_test(installed, colors, accept=True)
    assert verify_model("tiny", tmp_path) == installed


def test_an_unusable_float32_model_is_no_reason_to_refuse_the_tested_one(
    model_copy: Path, tmp_path: Path, colors: CalibrationSet
) -> None:
    float32 = tmp_path / "float32"
    shutil.copytree(model_copy, float32)
    cut("image.onnx", 0)(float32)
    model = OnnxModel(model_copy, load_manifest(model_copy))
    try:
        with pytest.raises(ConfigurationError, match="float32 cannot be used") as found:
            parity_faults(model, float32, colors)
    finally:
        model.close()
    assert found.value.code == ConfigurationError.code


def test_a_folder_without_a_result_is_tested_before_it_is_used(
    model_copy: Path, tmp_path: Path
) -> None:
    cut("image.onnx", 0)(model_copy)
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(ModelRefused, match="tiny cannot be used"):
        ensure_tested(str(model_copy), tmp_path, console)
    ensure_tested("starter", tmp_path, console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_a_folder_that_is_not_writable_is_an_error_before_the_test(
    model_copy: Path, colors: CalibrationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigurationError, match="is not writable"):
        run_self_test(model_copy, colors)


def test_releases_before_refusals_were_recorded_accepted_every_recorded_model(
    constant: Path, colors: CalibrationSet
) -> None:
    run_self_test(constant, colors, accept=True)
    content = json.loads((constant / CALIBRATION).read_text())
    del content["accepted"]
    (constant / CALIBRATION).write_text(json.dumps(content))
    assert recorded_result(constant)
