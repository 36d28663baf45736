"""Claims: the built graphs equal CLIP of transformers and do not depend on padding."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from imagesearch.embedding.session import open_session
from models import Floats
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.reference import described, difference, random_ids, random_pixels
from models.clip.weights import (
    TINY,
    VIT_B_32,
    ClipShape,
    Weights,
    from_open_clip,
    random_weights,
    to_open_clip,
)

pytestmark = pytest.mark.slow

# Recorded by `python -m models.clip.check_graph --record`.
REFERENCE = Path(__file__).parent / "data" / "clip_tiny.json"
ROUNDING = 2e-6


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(REFERENCE.read_text("utf-8"))
    return content


@pytest.fixture(scope="module")
def weights(reference: dict[str, Any]) -> Weights:
    return random_weights(TINY, reference["seed"])


@pytest.mark.parametrize("fused", [False, True])
def test_the_image_tower_equals_that_of_transformers(
    reference: dict[str, Any], weights: Weights, fused: bool
) -> None:
    assert described(TINY) == reference["shape"]
    found = _images(TINY, weights, reference["seed"], fused=fused)
    assert found == pytest.approx(np.array(reference["image_embeds"]), abs=ROUNDING)


@pytest.mark.parametrize("fused", [False, True])
def test_the_text_tower_equals_that_of_transformers(
    reference: dict[str, Any], weights: Weights, fused: bool
) -> None:
    graph = build_text_graph(TINY, weights, fused=fused)
    found = _run(graph, input_ids=random_ids(TINY, reference["seed"]))
    assert found == pytest.approx(np.array(reference["text_embeds"]), abs=ROUNDING)


def test_the_reference_distinguishes_the_gelu_variants(
    reference: dict[str, Any], weights: Weights
) -> None:
    found = _images(replace(TINY, activation="gelu"), weights, reference["seed"])
    assert difference(found, np.array(reference["image_embeds"]))[1] > 100 * ROUNDING


def test_the_reference_detects_a_swapped_query_and_key(
    reference: dict[str, Any], weights: Weights
) -> None:
    name = "vision_model.encoder.layers.0.self_attn.{}_proj.bias"
    swapped = weights | {name.format("q"): weights[name.format("k")]}
    found = _images(TINY, swapped, reference["seed"])
    assert difference(found, np.array(reference["image_embeds"]))[1] > 100 * ROUNDING


def test_plain_graphs_pass_the_checker_and_infer_the_declared_shapes(weights: Weights) -> None:
    for build, name in ((build_image_graph, "image_embeds"), (build_text_graph, "text_embeds")):
        model = build(TINY, weights, fused=False)
        onnx.checker.check_model(model, full_check=True)
        model.graph.output[0].type.tensor_type.ClearField("shape")
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        dims = inferred.graph.output[0].type.tensor_type.shape.dim
        assert (inferred.graph.output[0].name, dims[-1].dim_value) == (name, TINY.dimension)
        assert len(dims) == 2


def test_equal_weights_give_equal_bytes(weights: Weights) -> None:
    again = random_weights(TINY, 5)
    for build in (build_image_graph, build_text_graph):
        first, second = (build(TINY, w).SerializeToString() for w in (weights, again))
        assert first == second


@pytest.mark.parametrize("fused", [False, True])
def test_tokens_after_the_end_token_have_no_effect(weights: Weights, fused: bool) -> None:
    graph = build_text_graph(TINY, weights, fused=fused)
    short = np.array([[TINY.vocabulary - 2, 11, 12, 13, TINY.vocabulary - 1]])
    for pad in (0, 50, TINY.vocabulary - 1):
        assert _cut_difference(graph, short, TINY.context, pad) <= 1e-6


def test_a_full_size_text_truncated_at_its_end_token_has_the_same_vector() -> None:
    # Only the text tower has full size; image weights of full size are not needed.
    shape = replace(VIT_B_32, image_size=24, patch=8, image=TINY.image)
    graph = build_text_graph(shape, random_weights(shape, 1))
    short = np.array([[49406, 320, 1125, 539, 320, 2368, 269, 49407]])
    assert _cut_difference(graph, short, 77, 49407) <= 1e-5


def test_open_clip_names_map_to_the_same_weights(weights: Weights) -> None:
    names = dict.fromkeys(_open_clip_names())
    theirs = to_open_clip(weights, names)
    assert set(theirs) == set(names) - {"logit_scale"}
    back = from_open_clip(theirs)
    assert set(back) == set(weights)
    assert all((back[name] == value).all() for name, value in weights.items())


def _open_clip_names() -> list[str]:
    outside = "visual.class_embedding visual.positional_embedding visual.proj visual.conv1.weight"
    names = [*outside.split(), "token_embedding.weight", "positional_embedding", "text_projection"]
    stacks = {"visual.transformer": TINY.image.layers, "transformer": TINY.text.layers}
    affine = ["visual.ln_pre", "visual.ln_post", "ln_final"]
    for stack, layers in stacks.items():
        for block in (f"{stack}.resblocks.{layer}" for layer in range(layers)):
            names += [f"{block}.attn.in_proj_weight", f"{block}.attn.in_proj_bias"]
            parts = ("attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj")
            affine += [f"{block}.{part}" for part in parts]
    names += [f"{name}.{kind}" for name in affine for kind in ("weight", "bias")]
    return [*names, "logit_scale"]


def _images(shape: ClipShape, weights: Weights, seed: int, *, fused: bool = True) -> Floats:
    graph = build_image_graph(shape, weights, fused=fused)
    return _run(graph, pixel_values=random_pixels(shape, seed))


def _cut_difference(graph: onnx.ModelProto, short: Any, context: int, pad: int) -> float:
    """Largest change of a text vector when the text is padded to `context`."""
    padded = np.full((1, context), pad)
    padded[:, : short.shape[1]] = short
    session = open_session(graph.SerializeToString())
    cut, whole = (session.run(None, {"input_ids": ids})[0] for ids in (short, padded))
    return float(np.abs(cut - whole).max())


def _run(model: onnx.ModelProto, **feed: Any) -> Floats:
    session = open_session(model.SerializeToString())
    vectors: Floats = session.run(None, feed)[0]
    return vectors
