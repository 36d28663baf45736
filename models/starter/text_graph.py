"""The starter model's text graph: MiniLM in int8, mean pooling, and a second block of zeros.

Built from the float32 weights (BERT: Devlin et al. 2019; MiniLM: Wang et al. 2020), because the
exported graph has three times as many nodes, most of them without effect.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from local.quantization.rows import rows_to_int8
from models import Floats
from models.onnx_writer import FLOAT, INT32, INT64, ONNXRUNTIME_OPS, GraphWriter
from models.quantization.methods import blocks_to_uint8

LAYERS, HEADS, WIDTH = 6, 12, 384
LAYER_NORM_EPSILON = 1e-12
OPSET_WITH_GELU = 20
# One scale per 32 weights, and onnxruntime's accuracy level 4: activations are quantized to int8
# per row and block, so that a text's embedding does not depend on its batch.
BLOCK, INT8_ACTIVATIONS = 32, 4


def read_weights(source: onnx.ModelProto) -> dict[str, Floats]:
    """Weights by their names in MiniLM; matrices are [inputs, outputs]."""
    tensors = {t.name: numpy_helper.to_array(t) for t in source.graph.initializer}
    weights = {name.removeprefix("m."): value for name, value in tensors.items()}
    for node in source.graph.node:
        # The exporter keeps the name of a matrix only in the name of its MatMul node.
        if node.op_type == "MatMul" and node.input[1] in tensors:
            module = node.name.removeprefix("/m/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{module}.weight"] = tensors[node.input[1]]
    return weights


def build_text_graph(source: onnx.ModelProto, second_block: int) -> onnx.ModelProto:
    """`input_ids`, `attention_mask` [N, L] int64 → `text_embeds` [N, 384 + second_block]."""
    weights, graph = read_weights(source), GraphWriter()
    hidden = _embeddings(graph, weights)
    mask = graph.op("Cast", "attention_mask", to=INT32)
    for layer in range(LAYERS):
        hidden = _layer(graph, weights, f"encoder.layer.{layer}", hidden, mask)
    pooled = graph.op("LpNormalization", _sum_of_tokens(graph, hidden), axis=-1, p=2)
    # Zeros in the second block: texts rank images by the first block only.
    zeros = graph.constant("second_block", np.array([0, 0, 0, second_block]))
    graph.op("Pad", pooled, zeros, output="text_embeds")
    tokens = (INT64, ["batch", "sequence"])
    return graph.model(
        "starter_text",
        OPSET_WITH_GELU,
        {"input_ids": tokens, "attention_mask": tokens},
        {"text_embeds": (FLOAT, ["batch", WIDTH + second_block])},
    )


def _embeddings(graph: GraphWriter, weights: dict[str, Floats]) -> str:
    rows, scales = rows_to_int8(weights["embeddings.word_embeddings.weight"])
    # Cast after Gather, so that only the used rows become float.
    words = graph.op("Gather", graph.constant("words.int8", rows), "input_ids")
    scale = graph.op("Gather", graph.constant("words.scale", scales), "input_ids")
    words = graph.op("Mul", graph.op("Cast", words, to=FLOAT), scale)
    # All tokens have type 0: its row is added to the position table.
    positions = weights["embeddings.position_embeddings.weight"]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    first = graph.constant("first_axis", np.array([0]))
    length = graph.op("Shape", "input_ids", start=1, end=2)
    used = graph.op("Slice", graph.half_constant("positions", positions), first, length, first)
    return _layer_norm(graph, weights, "embeddings.LayerNorm", graph.op("Add", words, used))


def _layer(
    graph: GraphWriter, weights: dict[str, Floats], name: str, hidden: str, mask: str
) -> str:
    attended = _attention(graph, weights, f"{name}.attention.self", hidden, mask)
    output = _linear(graph, weights, [f"{name}.attention.output.dense"], attended)
    hidden = _layer_norm(
        graph, weights, f"{name}.attention.output.LayerNorm", graph.op("Add", output, hidden)
    )
    inner = graph.op("Gelu", _linear(graph, weights, [f"{name}.intermediate.dense"], hidden))
    output = _linear(graph, weights, [f"{name}.output.dense"], inner)
    return _layer_norm(graph, weights, f"{name}.output.LayerNorm", graph.op("Add", output, hidden))


def _attention(
    graph: GraphWriter, weights: dict[str, Floats], name: str, hidden: str, mask: str
) -> str:
    joined = _linear(
        graph, weights, [f"{name}.{part}" for part in ("query", "key", "value")], hidden
    )
    thirds = graph.constant("thirds", np.array([WIDTH] * 3))
    query, key, value = graph.ops("Split", joined, thirds, outputs=["", "", ""], axis=-1)
    return graph.op(
        "MultiHeadAttention",
        *(query, key, value, "", mask),
        domain=ONNXRUNTIME_OPS,
        num_heads=HEADS,
    )


def _linear(graph: GraphWriter, weights: dict[str, Floats], names: list[str], hidden: str) -> str:
    """x · W + b, with the matrices of `names` concatenated by columns."""
    weight = np.concatenate([weights[f"{name}.weight"] for name in names], axis=1)
    bias = np.concatenate([weights[f"{name}.bias"] for name in names])
    blocks, scales = blocks_to_uint8(weight, BLOCK)
    return graph.op(
        "MatMulNBits",
        hidden,
        graph.constant(f"{names[0]}.uint8", blocks),
        graph.constant(f"{names[0]}.scale", scales),
        *("", ""),
        graph.constant(f"{names[0]}.bias", bias),
        domain=ONNXRUNTIME_OPS,
        K=weight.shape[0],
        N=weight.shape[1],
        bits=8,
        block_size=BLOCK,
        accuracy_level=INT8_ACTIVATIONS,
    )


def _layer_norm(graph: GraphWriter, weights: dict[str, Floats], name: str, hidden: str) -> str:
    scale = graph.constant(f"{name}.weight", weights[f"{name}.weight"])
    shift = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
    return graph.op("LayerNormalization", hidden, scale, shift, epsilon=LAYER_NORM_EPSILON)


def _sum_of_tokens(graph: GraphWriter, hidden: str) -> str:
    """Σ mask · hidden, [N, 384]: mean pooling up to a factor that normalization removes."""
    axis = graph.constant("token_axis", np.array([1]))
    mask = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=FLOAT), axis)
    return graph.op("Squeeze", graph.op("MatMul", mask, hidden), axis)
