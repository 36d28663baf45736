"""The starter model's image graph: EfficientNet-Lite2, and two blocks for words and appearance.

First block (384): ConSE (Norouzi et al. 2014, arXiv 1312.5650), the mean of the text embeddings of
the 20 likeliest ImageNet labels, weighted by their probabilities, so that an image is near its
description. Second block (128): the classifier's features along the directions in which its weights
separate the labels, so that images of similar appearance are near each other within a label.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from imagesearch.embedding.session import open_session, session_options
from models import Floats
from models.onnx_writer import FLOAT, GraphWriter

SIZE = 260
LABELS_USED, TEMPERATURE = 20, 2.0


@dataclass(frozen=True)
class ImageBlocks:
    """The parameters that turn the classifier's outputs into an embedding.

    labels: [1000, 384], text embeddings of the labels' descriptions, L2-normalized.
    directions: [1280, second block], the matrix for the square roots of the features.
    weight: share of the second block in the cosine of two images, 0 to 1.
    """

    labels: Floats
    directions: Floats
    weight: float


def classifier_weights(source: onnx.ModelProto) -> Floats:
    """The weights of the last layer, [1000 labels, 1280 features]."""
    tensors = {tensor.name: tensor for tensor in source.graph.initializer}
    last = next(node for node in source.graph.node if "logits" in node.output)
    weights: Floats = numpy_helper.to_array(tensors[last.input[1]])
    return weights


def build_image_graph(source: Path, blocks: ImageBlocks) -> onnx.ModelProto:
    """`pixel_values` [N, 3, 260, 260] → `image_embeds` [N, 384 + second block], L2-normalized."""
    folded, graph = _with_constants_folded(source), GraphWriter()
    _copy_with_half_weights(folded, graph)
    words = _scaled(graph, _words_block(graph, blocks), 1 - blocks.weight)
    looks = _scaled(graph, _appearance_block(graph, blocks), blocks.weight)
    graph.op("Concat", words, looks, output="image_embeds", axis=1)
    width = blocks.labels.shape[1] + blocks.directions.shape[1]
    return graph.model(
        "starter_image",
        next(opset.version for opset in folded.opset_import if opset.domain == ""),
        {"pixel_values": (FLOAT, ["batch", 3, SIZE, SIZE])},
        {"image_embeds": (FLOAT, ["batch", width])},
    )


def _words_block(graph: GraphWriter, blocks: ImageBlocks) -> str:
    """ConSE; the softmax over the 20 largest is the softmax over all, renormalized to those 20."""
    count = graph.constant("labels_used", np.array([LABELS_USED]))
    logits, labels = graph.ops("TopK", "logits", count, outputs=["", ""], axis=1)
    cooler = graph.constant("temperature", np.array(TEMPERATURE, np.float32))
    shares = graph.op("Softmax", graph.op("Div", logits, cooler), axis=1)
    axis = graph.constant("label_axis", np.array([1]))
    texts = graph.op("Gather", graph.half_constant("label_texts", blocks.labels), labels)
    mixed = graph.op("MatMul", graph.op("Unsqueeze", shares, axis), texts)
    return graph.op("LpNormalization", graph.op("Squeeze", mixed, axis), axis=1, p=2)


def _appearance_block(graph: GraphWriter, blocks: ImageBlocks) -> str:
    """Square roots of the features limit the influence of the largest ones, as in RootSIFT
    (Arandjelović and Zisserman 2012). Features are means of ReLU6 and therefore not negative."""
    directions = graph.half_constant("directions", blocks.directions)
    looks = graph.op("MatMul", graph.op("Sqrt", "features"), directions)
    return graph.op("LpNormalization", looks, axis=1, p=2)


def _scaled(graph: GraphWriter, block: str, share: float) -> str:
    """The share of a block in the cosine is the square of its length."""
    length = graph.constant(f"{block}.length", np.array(share**0.5, np.float32))
    return graph.op("Mul", block, length)


def _copy_with_half_weights(folded: onnx.ModelProto, graph: GraphWriter) -> None:
    """Weights are stored as float16 and computed as float32 convolutions after loading."""
    renamed = {}
    for tensor in folded.graph.initializer:
        value = numpy_helper.to_array(tensor)
        write = graph.half_constant if value.ndim > 1 else graph.constant
        renamed[tensor.name] = write(tensor.name, value)
    for node in folded.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        graph.nodes.append(node)


def _with_constants_folded(source: Path) -> onnx.ModelProto:
    """The network without the nodes in which the exporter computes paddings.

    Level "basic" uses standard operators only, so the result runs on any processor.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(None)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        open_session(source, options=options)
        return onnx.load(options.optimized_model_filepath)


def singular_directions(classifier: Floats, count: int) -> tuple[Floats, Floats]:
    """The first right singular vectors [features, count] of the centered weights, and their values.

    The mean over the labels is subtracted because softmax is invariant to it. The sign, which an
    SVD leaves open, is fixed by a positive largest entry, so that the file is reproducible.
    """
    centered = (classifier - classifier.mean(axis=0)).astype(np.float64)
    _, values, directions = np.linalg.svd(centered, full_matrices=False)
    kept = directions[:count]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=1)[:, None], axis=1)
    kept = kept * np.sign(largest)
    return kept.T.astype(np.float32), values[:count].astype(np.float32)


def appearance_directions(classifier: Floats, count: int) -> Floats:
    """[features, count], each direction as long as the square root of its singular value."""
    directions, values = singular_directions(classifier, count)
    return directions * np.sqrt(values)
