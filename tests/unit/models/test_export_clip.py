"""Claims: a checkpoint is exported only if graphs and checkpoint have equal embeddings.

Reading checkpoints needs torch: see models/README.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagesearch.embedding.manifest import load_manifest
from models import Floats
from models.clip.checkpoint import Checkpoint, UnfitCheckpointError, fitting
from models.clip.export import export, main
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.reference import Embeddings, Ids, run_graphs
from models.clip.weights import TINY, Weights, random_weights

pytestmark = pytest.mark.slow

SAID = {"description": "Tiny.", "license": "none", "source": "by chance"}


@pytest.fixture
def weights() -> Weights:
    return random_weights(TINY, 4)


@pytest.fixture
def checkpoint(weights: Weights) -> Checkpoint:
    """A checkpoint as read from a file, with the plain graphs as its reference code."""
    image = build_image_graph(TINY, weights, fused=False)
    text = build_text_graph(TINY, weights, fused=False)

    def embed(pixels: Floats, ids: Ids) -> Embeddings:
        return run_graphs(image, text, pixels, ids)

    return Checkpoint(TINY, weights, 0, embed)


def test_an_exported_folder_is_a_valid_model(
    checkpoint: Checkpoint, small_clip: Path, tmp_path: Path
) -> None:
    tokenizer = small_clip / "tokenizer.json"
    assert export(checkpoint, "tiny", SAID, tokenizer, tmp_path) == load_manifest(tmp_path)
    manifest = load_manifest(tmp_path)
    assert (manifest.name, manifest.dimension) == ("tiny", TINY.dimension)
    assert (manifest.image.size, manifest.text.max_length) == (TINY.image_size, TINY.context)
    assert manifest.text.pad_token_id == 0
    assert (tmp_path / "tokenizer.json").read_bytes() == tokenizer.read_bytes()


def test_a_checkpoint_of_another_activation_is_rejected(
    checkpoint: Checkpoint, small_clip: Path, tmp_path: Path
) -> None:
    wrong = replace(checkpoint, shape=replace(TINY, activation="gelu"))
    with pytest.raises(UnfitCheckpointError, match="image_embeds: worst cosine"):
        export(wrong, "tiny", SAID, small_clip / "tokenizer.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unused_weights_are_not_exported(weights: Weights) -> None:
    more = weights | {"logit_scale": np.ones((), np.float32)}
    assert set(fitting(more, TINY)) == set(weights)


def test_a_weight_that_is_missing_or_of_another_shape_is_named(weights: Weights) -> None:
    name = "visual_projection.weight"
    fewer = {key: value for key, value in weights.items() if key != name}
    for wrong in (fewer, weights | {name: weights[name][:-1]}):
        with pytest.raises(UnfitCheckpointError, match=f"{name} has the shape .* instead of"):
            fitting(wrong, TINY)


def test_an_invalid_checkpoint_is_reported(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = str(small_clip / "tokenizer.json")
    needed = ["--tokenizer", tokenizer, "--name", "x", "--license", "x", "--out", str(tmp_path)]
    assert main([str(tmp_path / "nothing"), *needed]) == 2
    assert "nothing is neither a folder nor MODEL:FILE of open_clip" in capsys.readouterr().err
