"""int8 matrices in blocks, with one scale for 32 weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from local.quantization.rows import ONNXRUNTIME_OPS, excluded_nodes, matrices, rebuilt
from models.quantization.methods import blocks_to_uint8

# One scale per 32 weights, and onnxruntime's accuracy level 4: activations are quantized to int8
# per row and block.
BLOCK, INT8_ACTIVATIONS = 32, 4


def blocks_int8(model: onnx.ModelProto, leave_out: Sequence[str] = ()) -> onnx.ModelProto:
    """Matrices in blocks of 32 (MatMulNBits); other heights than multiples of 32 stay float32."""
    kept = set(excluded_nodes(model, leave_out))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    new: dict[str, list[onnx.NodeProto]] = {}
    made: list[onnx.TensorProto] = []
    replaced = set()
    for node in matrices(model):
        weight = tensors[node.input[1]]
        if node.name in kept or weight.dims[0] % BLOCK:
            continue
        new[node.name] = [_block_product(node, weight)]
        made += _blocks(weight)
        replaced.add(weight.name)
    return rebuilt(model, new, made, replaced)


def _block_product(node: onnx.NodeProto, weight: onnx.TensorProto) -> onnx.NodeProto:
    height, width = weight.dims
    return helper.make_node(
        "MatMulNBits",
        [node.input[0], f"{weight.name}.uint8", f"{weight.name}.scale"],
        list(node.output),
        name=node.name,
        domain=ONNXRUNTIME_OPS,
        K=height,
        N=width,
        bits=8,
        block_size=BLOCK,
        accuracy_level=INT8_ACTIVATIONS,
    )


def _blocks(weight: onnx.TensorProto) -> list[onnx.TensorProto]:
    values, scales = blocks_to_uint8(numpy_helper.to_array(weight), BLOCK)
    return [
        numpy_helper.from_array(np.ascontiguousarray(part), f"{weight.name}.{kind}")
        for part, kind in ((values, "uint8"), (scales, "scale"))
    ]
