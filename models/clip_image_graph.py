"""CLIP's image tower (a vision transformer: Dosovitskiy et al. 2021) as an ONNX graph."""

from __future__ import annotations

import numpy as np
import onnx

from models.clip.graphs import OPSET, Blocks
from models.clip.weights import IMAGE, Weights
from models.clip_shape import ClipShape
from models.onnx_writer import FLOAT, GraphWriter


def build_image_graph(shape: ClipShape, weights: Weights, *, fused: bool = True) -> onnx.ModelProto:
    """`pixel_values` [N, 3, S, S] → `image_embeds` [N, D], of length 1."""
    graph = GraphWriter()
    blocks = Blocks(graph, weights, shape, shape.image, IMAGE, fused)
    tokens = _tokens(graph, shape, weights)
    hidden = blocks.layer_norm(f"{IMAGE}.pre_layrnorm", tokens)
    first = graph.constant("class_token", np.array([0]))
    token = blocks.encode(hidden, "", lambda some: graph.op("Gather", some, first, axis=1), "")
    normed = blocks.layer_norm(f"{IMAGE}.post_layernorm", token)
    blocks.project("visual_projection.weight", normed, "image_embeds")
    return graph.model(
        "clip_image",
        OPSET,
        {"pixel_values": (FLOAT, ["batch", 3, shape.image_size, shape.image_size])},
        {"image_embeds": (FLOAT, ["batch", shape.dimension])},
    )


def _tokens(graph: GraphWriter, shape: ClipShape, weights: Weights) -> str:
    """[N, patches + 1, W], the class token first."""
    positions = weights[f"{IMAGE}.embeddings.position_embedding.weight"].copy()
    # A row of zeros is the class token's place: its vector comes with its position.
    positions[0] += weights[f"{IMAGE}.embeddings.class_embedding"]
    pads = graph.constant("class_token_before", np.array([0, 1, 0, 0, 0, 0]))
    tokens = graph.op("Pad", _patches(graph, shape, weights), pads)
    return graph.op("Add", tokens, graph.constant(f"{IMAGE}.embeddings.positions", positions))


def _patches(graph: GraphWriter, shape: ClipShape, weights: Weights) -> str:
    """[N, patches, W]. A convolution whose step is its width is a product of matrices, and those
    have fast int8 kernels."""
    side, patch = shape.patches_a_side, shape.patch
    cut = graph.constant("cut_patches", np.array([0, 3, side, patch, side, patch]))
    pixels = graph.op("Reshape", "pixel_values", cut)
    rows = graph.constant("patch_rows", np.array([0, side * side, 3 * patch * patch]))
    flat = graph.op("Reshape", graph.op("Transpose", pixels, perm=[0, 2, 4, 1, 3, 5]), rows)
    name = f"{IMAGE}.embeddings.patch_embedding.weight"
    weight = weights[name].reshape(shape.image.width, -1).T
    return graph.op("MatMul", flat, graph.constant(name, weight))
