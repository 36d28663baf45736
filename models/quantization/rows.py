"""Quantization per row or block, without batch dependence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.onnx_writer import FLOAT, ONNXRUNTIME_OPS
from models.quantization.methods import (
    LARGEST_INT8,
    UNSIGNED_ZERO,
    blocks_to_uint8,
    excluded_nodes,
    matrices,
    rows_to_int8,
)

# One scale per 32 weights, and onnxruntime's accuracy level 4: activations are quantized to int8
# per row and block.
BLOCK, INT8_ACTIVATIONS = 32, 4
FIXED = {
    "row_scale": np.float32(1 / LARGEST_INT8),
    "row_zero": np.uint8(UNSIGNED_ZERO),
    "smallest_row": np.float32(1e-12),
}


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


def rows_int8(model: onnx.ModelProto, leave_out: Sequence[str] = ()) -> onnx.ModelProto:
    """int8 weights per channel; activations become uint8 with a scale per token.

    Each token is divided by its largest value, multiplied with a fixed scale, and scaled back: the
    fast kernel for per-tensor scales then computes per-row scales.
    """
    kept = set(excluded_nodes(model, leave_out))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    new: dict[str, list[onnx.NodeProto]] = {}
    made = [numpy_helper.from_array(np.asarray(value), name) for name, value in FIXED.items()]
    replaced = set()
    for node in matrices(model):
        if node.name not in kept:
            weight = tensors[node.input[1]]
            new[node.name] = list(_row_product(node, weight.name))
            made += int8_columns(weight)
            replaced.add(weight.name)
    return rebuilt(model, new, made, replaced)


def tables_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Embedding tables (inputs of Gather) as int8, with a scale per row."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    new: dict[str, list[onnx.NodeProto]] = {}
    made: list[onnx.TensorProto] = []
    replaced = set()
    for node in model.graph.node:
        table = tensors.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != FLOAT or len(table.dims) != 2:
            continue
        rows, scales = rows_to_int8(numpy_helper.to_array(table))
        names = f"{table.name}.int8", f"{table.name}.scale"
        pairs = zip((rows, scales), names, strict=True)
        made += [numpy_helper.from_array(part, name) for part, name in pairs]
        new[node.name] = list(_rows_taken(node, *names))
        replaced.add(table.name)
    return rebuilt(model, new, made, replaced)


def _rows_taken(node: onnx.NodeProto, rows: str, scales: str) -> Iterator[onnx.NodeProto]:
    """Cast after Gather, so that only the used rows become float."""
    indices, name = node.input[1], node.name
    for source, output in ((rows, f"{name}.int8"), (scales, f"{name}.scale")):
        yield helper.make_node("Gather", [source, indices], [output], name=f"{output}.taken")
    floats = f"{name}.float"
    yield helper.make_node("Cast", [f"{name}.int8"], [floats], name=f"{name}.cast", to=FLOAT)
    yield helper.make_node("Mul", [floats, f"{name}.scale"], [node.output[0]], name=name)


def _row_product(node: onnx.NodeProto, weight: str) -> Iterator[onnx.NodeProto]:
    tokens, name = node.input[0], node.name
    sizes, largest, ones, bytes_, product = (
        f"{name}.{part}" for part in ("sizes", "largest", "ones", "uint8", "product")
    )
    yield helper.make_node("Abs", [tokens], [sizes], name=sizes)
    yield helper.make_node("ReduceMax", [sizes], [largest], name=largest, axes=[-1], keepdims=1)
    least = f"{name}.least"
    yield helper.make_node("Max", [largest, "smallest_row"], [least], name=least)
    yield helper.make_node("Div", [tokens, least], [ones], name=ones)
    fixed = ["row_scale", "row_zero"]
    yield helper.make_node("QuantizeLinear", [ones, *fixed], [bytes_], name=bytes_)
    yield helper.make_node(
        "MatMulIntegerToFloat",
        [bytes_, f"{weight}.int8", "row_scale", f"{weight}.scale", "row_zero"],
        [product],
        name=product,
        domain=ONNXRUNTIME_OPS,
    )
    yield helper.make_node("Mul", [product, least], list(node.output), name=name)


def int8_columns(weight: onnx.TensorProto) -> list[onnx.TensorProto]:
    """The tensors `….int8` and `….scale`, with a scale per column."""
    columns, scales = rows_to_int8(np.ascontiguousarray(numpy_helper.to_array(weight).T))
    return [
        numpy_helper.from_array(np.ascontiguousarray(columns.T), f"{weight.name}.int8"),
        numpy_helper.from_array(scales[:, 0], f"{weight.name}.scale"),
    ]


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


def rebuilt(
    model: onnx.ModelProto,
    new: dict[str, list[onnx.NodeProto]],
    made: list[onnx.TensorProto],
    replaced: set[str],
) -> onnx.ModelProto:
    """A copy with `new` nodes by the name of the old, and `made` tensors for `replaced`."""
    rebuilt = onnx.ModelProto()
    rebuilt.CopyFrom(model)
    nodes = [part for node in model.graph.node for part in new.get(node.name, [node])]
    del rebuilt.graph.node[:]
    rebuilt.graph.node.extend(nodes)
    still_used = {name for node in nodes for name in node.input}
    kept = [t for t in model.graph.initializer if t.name not in replaced or t.name in still_used]
    del rebuilt.graph.initializer[:]
    rebuilt.graph.initializer.extend([*kept, *made])
    if not any(opset.domain == ONNXRUNTIME_OPS for opset in rebuilt.opset_import):
        rebuilt.opset_import.append(helper.make_opsetid(ONNXRUNTIME_OPS, 1))
    return rebuilt
