"""Claims: each method preserves the embeddings, and excluded matrices stay unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from imagesearch.calibration.parity import cosines
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.session import open_session
from local.quantization.rows import matrices
from models import Floats
from models.clip.reference import random_ids, random_pixels
from models.quantization.quantize import METHODS, main
from tests.unit.models.conftest import SMALL_CLIP

pytestmark = pytest.mark.slow

FREE_OF_BATCH = [name for name in METHODS if "dynamic" not in name]


def quantized(small_clip: Path, few_samples: Path, out: Path, *more: str) -> Path:
    arguments = [str(small_clip), "--out", str(out), "--samples", str(few_samples), *more]
    assert main(arguments) == 0
    return out


def vectors(folder: Path, batch: int = 8) -> dict[str, Floats]:
    """Vectors of random images and texts, by graph."""
    feeds = {"image": random_pixels(SMALL_CLIP, 1), "text": random_ids(SMALL_CLIP, 1)}
    found = {}
    for tower, fed in feeds.items():
        session = open_session(folder / f"{tower}.onnx")
        name = session.get_inputs()[0].name
        parts = [fed[start : start + batch] for start in range(0, len(fed), batch)]
        found[tower] = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    return found


@pytest.mark.parametrize("method", METHODS)
def test_the_vectors_are_preserved(
    small_clip: Path, few_samples: Path, tmp_path: Path, method: str
) -> None:
    out = quantized(small_clip, few_samples, tmp_path, "--image", method, "--text", method)
    exact = vectors(small_clip)
    for tower, found in vectors(out).items():
        # A text without letters is outside the calibration data of static scales.
        assert cosines(found, exact[tower]).worst >= 0.98, tower


@pytest.mark.parametrize("method", FREE_OF_BATCH)
def test_vectors_do_not_depend_on_the_batch_without_batch_wide_scales(
    small_clip: Path, few_samples: Path, tmp_path: Path, method: str
) -> None:
    out = quantized(small_clip, few_samples, tmp_path, "--image", method, "--text", method)
    alone = vectors(out, batch=1)
    for tower, together in vectors(out).items():
        assert cosines(together, alone[tower]).worst >= 0.9999, tower


@pytest.mark.parametrize("method", [name for name in METHODS if name != "keep"])
def test_the_folder_is_smaller_and_its_manifest_matches(
    small_clip: Path, few_samples: Path, tmp_path: Path, method: str
) -> None:
    out = quantized(small_clip, few_samples, tmp_path, "--image", method, "--text", method)
    before, after = load_manifest(small_clip), load_manifest(out)
    for name in ("image.onnx", "text.onnx"):
        assert after.files[name].bytes < before.files[name].bytes
        assert after.files[name].bytes == (out / name).stat().st_size
    assert after.image_space != before.image_space
    assert after.text.image_space == after.image_space


def test_an_unchanged_image_graph_keeps_its_space(
    small_clip: Path, few_samples: Path, tmp_path: Path
) -> None:
    out = quantized(small_clip, few_samples, tmp_path, "--image", "keep", "--text", "dynamic")
    assert load_manifest(out).image_space == load_manifest(small_clip).image_space


def test_excluded_matrices_are_unchanged(
    small_clip: Path, few_samples: Path, tmp_path: Path
) -> None:
    left = ["*.layers.1.*", "visual_projection.weight"]
    out = quantized(small_clip, few_samples, tmp_path, "--leave-out-image", *left)
    kept = {node.input[1] for node in matrices(onnx.load(out / "image.onnx"))}
    name = "vision_model.encoder.layers.1"
    assert kept == {
        "visual_projection.weight",
        f"{name}.self_attn.q_proj.weight",
        f"{name}.self_attn.k_proj+v_proj.weight",
        f"{name}.self_attn.out_proj.weight",
        f"{name}.mlp.fc1.weight",
        f"{name}.mlp.fc2.weight",
    }


def test_static_products_include_their_bias_and_are_not_quantized_again(
    small_clip: Path, few_samples: Path, tmp_path: Path
) -> None:
    left = "*.layers.1.*"
    how = ["--image", "static", "--leave-out-image", left]
    graph = onnx.load(quantized(small_clip, few_samples, tmp_path, *how) / "image.onnx").graph
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    with_bias = [node.name for node in products if len(node.input) == 7]
    assert len(with_bias) == len(products) - 2  # patches and the last projection have no bias
    assert not any("DequantizeLinear" in node.op_type for node in graph.node)
    assert all(".layers.1." in node.input[1] for node in graph.node if node.op_type == "MatMul")


def test_a_name_without_a_match_is_an_error(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(small_clip), "--out", str(tmp_path), "--leave-out-image", "layer_1*"]) == 2
    assert "no matrix matches 'layer_1*'" in capsys.readouterr().err


def test_the_matrices_are_listed_by_name(
    small_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(small_clip), "--list"]) == 0
    assert "\tvision_model.embeddings.patch_embedding.weight\n" in capsys.readouterr().out
