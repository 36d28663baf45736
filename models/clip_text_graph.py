"""CLIP's text tower (causal, read at the end token) as an ONNX graph."""

from __future__ import annotations

import numpy as np
import onnx

from models.clip.graphs import OPSET, Blocks
from models.clip.weights import TEXT, Weights
from models.clip_shape import ClipShape
from models.onnx_writer import FLOAT, INT64, GraphWriter

# Far below every score, and within float16.
NEVER = np.float32(-3e4)
TABLES = ("token", "position")


def build_text_graph(shape: ClipShape, weights: Weights, *, fused: bool = True) -> onnx.ModelProto:
    """`input_ids` [N, L], L ≤ context → `text_embeds` [N, D], of length 1.

    The end token is found as OpenAI finds it: it has the largest id, and its first place counts.
    What follows it changes nothing, so no text needs more padding than its batch.
    """
    graph = GraphWriter()
    blocks = Blocks(graph, weights, shape, shape.text, TEXT, fused)
    ends = graph.op("ArgMax", "input_ids", axis=1, keepdims=0)
    last_axes = graph.constant("last_axes", np.array([1, 2]))
    places = graph.op("Unsqueeze", ends, last_axes)
    length = graph.op("Shape", "input_ids", start=1, end=2)
    mask, end_mask = _masks(graph, shape.context, length, ends)
    token = blocks.encode(
        _tokens(graph, weights, length),
        mask,
        lambda some: graph.op("GatherND", some, places, batch_dims=1),
        end_mask,
    )
    normed = blocks.layer_norm(f"{TEXT}.final_layer_norm", token)
    blocks.project("text_projection.weight", normed, "text_embeds")
    return graph.model(
        "clip_text",
        OPSET,
        {"input_ids": (INT64, ["batch", "length"])},
        {"text_embeds": (FLOAT, ["batch", shape.dimension])},
    )


def _tokens(graph: GraphWriter, weights: Weights, length: str) -> str:
    """[N, L, W]."""
    table, positions = (f"{TEXT}.embeddings.{kind}_embedding.weight" for kind in TABLES)
    words = graph.op("Gather", graph.constant(table, weights[table]), "input_ids")
    zero = graph.constant("zero", np.array([0]))
    used = graph.op("Slice", graph.constant(positions, weights[positions]), zero, length, zero)
    return graph.op("Add", words, used)


def _masks(graph: GraphWriter, context: int, length: str, ends: str) -> tuple[str, str]:
    """What a token may not see: [1, 1, L, L], and of the end tokens alone [N, 1, 1, L]."""
    later = np.triu(np.full((context, context), NEVER, np.float32), 1)
    square = graph.op(
        "Slice",
        graph.constant("causal_mask", later),
        graph.constant("from_0_0", np.array([0, 0])),
        graph.op("Concat", length, length, axis=0),
        graph.constant("both_axes", np.array([0, 1])),
    )
    whole = graph.op("Unsqueeze", square, graph.constant("first_axes", np.array([0, 1])))
    rows = graph.op("Gather", square, ends)
    return whole, graph.op("Unsqueeze", rows, graph.constant("last_axes", np.array([1, 2])))
