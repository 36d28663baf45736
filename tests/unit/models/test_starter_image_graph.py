"""The image graph computes the formula of its reference, shown on a network of four nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from imagesearch.embedding.session import open_session
from models.onnx_writer import FLOAT, GraphWriter
from models.quantization.methods import Floats
from models.starter.image_graph import SIZE, ImageBlocks, build_image_graph, classifier_weights
from models.starter.reference import image_embeddings, unit_length

pytestmark = pytest.mark.slow

FEATURES, LABELS, WORDS, DIRECTIONS = 6, 40, 16, 4
Network = tuple[Path, Floats]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Three mean colours, spread to features by a 1 × 1 convolution; labels by a matrix."""
    chance = np.random.default_rng(7)
    classifier = chance.standard_normal((LABELS, FEATURES)).astype(np.float16).astype(np.float32)
    kernel = chance.uniform(0, 1, (FEATURES, 3, 1, 1)).astype(np.float16).astype(np.float32)
    graph = GraphWriter()
    spread = graph.op("Relu", graph.op("Conv", "pixel_values", graph.constant("kernel", kernel)))
    graph.op("ReduceMean", spread, output="features", axes=[2, 3], keepdims=0)
    graph.op(
        "Gemm", "features", graph.constant("classifier", classifier), output="logits", transB=1
    )
    pixels = {"pixel_values": (FLOAT, ["batch", 3, SIZE, SIZE])}
    outputs = {"features": (FLOAT, ["batch", FEATURES]), "logits": (FLOAT, ["batch", LABELS])}
    path = tmp_path / "network.onnx"
    onnx.save(graph.model("network", 17, pixels, outputs), path)
    return path, classifier


@pytest.fixture
def blocks() -> ImageBlocks:
    chance = np.random.default_rng(8)
    labels = unit_length(chance.standard_normal((LABELS, WORDS)).astype(np.float32))
    directions = chance.standard_normal((FEATURES, DIRECTIONS)).astype(np.float32)
    return ImageBlocks(labels, directions, weight=0.3)


def test_the_graph_computes_the_reference(network: Network, blocks: ImageBlocks) -> None:
    path, _ = network
    pixels = np.random.default_rng(9).uniform(-1, 1, (3, 3, SIZE, SIZE)).astype(np.float32)
    features, logits = _run(path.read_bytes(), ["features", "logits"], pixels)
    built = build_image_graph(path, blocks).SerializeToString()
    (embeds,) = _run(built, ["image_embeds"], pixels)
    assert embeds.shape == (3, WORDS + DIRECTIONS)
    assert (embeds * image_embeddings(features, logits, blocks)).sum(axis=1) == pytest.approx(
        1, abs=1e-5
    )


def test_equal_sources_give_equal_bytes(network: Network, blocks: ImageBlocks) -> None:
    first, second = (build_image_graph(network[0], blocks).SerializeToString() for _ in range(2))
    assert first == second


def test_the_classifier_is_found_by_what_makes_the_logits(network: Network) -> None:
    path, classifier = network
    assert (classifier_weights(onnx.load(path)) == classifier).all()


def _run(model: bytes, outputs: list[str], pixels: Floats) -> list[Floats]:
    session = open_session(model)
    results: list[Floats] = session.run(outputs, {"pixel_values": pixels})
    return results
