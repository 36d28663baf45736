"""int8 weights with a scale per column, and activations with a scale per token.

No scale depends on the batch or on calibration data, so that the vectors do not either. Weights are
rounded to nearest, symmetric around zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
ONNXRUNTIME_OPS = "com.microsoft"
LARGEST_INT8 = 127
UNSIGNED_ZERO = 128
# From this version of the ONNX operators, the axes of a reduction are an input.
AXES_AS_INPUT = 18
FIXED = {
    "row_scale": np.float32(1 / LARGEST_INT8),
    "row_zero": np.uint8(UNSIGNED_ZERO),
    "smallest_row": np.float32(1e-12),
}
ROW_AXIS = {"row_axis": np.array([-1], np.int64)}
Floats: TypeAlias = npt.NDArray[np.float32]


def rows_int8(model: onnx.ModelProto, leave_out: Sequence[str] = ()) -> onnx.ModelProto:
    """A copy with int8 weights per channel; activations become uint8 with a scale per token.

    Each token is divided by its largest value, multiplied with a fixed scale, and scaled back: the
    fast kernel for per-tensor scales then computes per-row scales.
    """
    kept = set(excluded_nodes(model, leave_out))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    axes_as_input = _opset(model) >= AXES_AS_INPUT
    new: dict[str, list[onnx.NodeProto]] = {}
    fixed = FIXED | (ROW_AXIS if axes_as_input else {})
    made = [numpy_helper.from_array(np.asarray(value), name) for name, value in fixed.items()]
    replaced = set()
    for node in matrices(model):
        if node.name in kept:
            continue
        weight = tensors[node.input[1]]
        new[node.name] = list(_row_product(node, weight.name, axes_as_input))
        if weight.name not in replaced:
            made += int8_columns(weight)
        replaced.add(weight.name)
    return rebuilt(model, new, made, replaced)


def tables_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the embedding tables (inputs of Gather) as int8, with a scale per row."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    new: dict[str, list[onnx.NodeProto]] = {}
    made: list[onnx.TensorProto] = []
    replaced = set()
    for node in model.graph.node:
        table = tensors.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != FLOAT or len(table.dims) != 2 or _axis(node):
            continue
        names = f"{table.name}.int8", f"{table.name}.scale"
        if table.name not in replaced:
            parts = zip(rows_to_int8(numpy_helper.to_array(table)), names, strict=True)
            made += [numpy_helper.from_array(part, name) for part, name in parts]
        new[node.name] = list(_rows_taken(node, *names))
        replaced.add(table.name)
    return rebuilt(model, new, made, replaced)


def as_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with a name for every node, and with MatMul and Add in place of Gemm.

    Exporters write a linear layer of a 2-dimensional input as Gemm. One with other factors than 1
    or a transposed input stays.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for number, node in enumerate(named.graph.node):
        node.name = node.name or f"{node.op_type}.{number}"
    tensors = {tensor.name: tensor for tensor in named.graph.initializer}
    new: dict[str, list[onnx.NodeProto]] = {}
    made: dict[str, onnx.TensorProto] = {}
    replaced = set()
    for node in named.graph.node:
        weight = tensors.get(node.input[1]) if node.op_type == "Gemm" else None
        about = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        factors = about.get("alpha", 1.0), about.get("beta", 1.0)
        if weight is None or about.get("transA") or factors != (1.0, 1.0):
            continue
        name = weight.name
        if about.get("transB"):
            name = f"{weight.name}.transposed"
            turned = np.ascontiguousarray(numpy_helper.to_array(weight).T)
            made[name] = numpy_helper.from_array(turned, name)
            replaced.add(weight.name)
        new[node.name] = list(_linear(node, name))
    return rebuilt(named, new, list(made.values()), replaced)


def matrices(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The MatMul nodes with a constant matrix."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in stored]


def excluded_nodes(model: onnx.ModelProto, patterns: Sequence[str]) -> list[str]:
    """The nodes whose name or weight's name matches a pattern such as "*.layers.11.*".

    Raises ValueError for a pattern without a match, which is a mistake.
    """
    excluded: list[str] = []
    for pattern in patterns:
        matching = [
            node.name
            for node in matrices(model)
            if fnmatchcase(node.name, pattern) or fnmatchcase(node.input[1], pattern)
        ]
        if not matching:
            raise ValueError(f"no matrix matches {pattern!r}: print the names with --list")
        excluded += matching
    return excluded


def rows_to_int8(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Table [rows, width] → int8 [rows, width] and scales [rows, 1]: row ≈ int8 · scale."""
    scales = int8_scales(table)
    return rounded(table, scales).astype(np.int8), scales


def int8_columns(weight: onnx.TensorProto) -> list[onnx.TensorProto]:
    """The tensors `….int8` and `….scale`, with a scale per column."""
    columns, scales = rows_to_int8(np.ascontiguousarray(numpy_helper.to_array(weight).T))
    return [
        numpy_helper.from_array(np.ascontiguousarray(columns.T), f"{weight.name}.int8"),
        numpy_helper.from_array(scales[:, 0], f"{weight.name}.scale"),
    ]


def int8_scales(values: Floats) -> Floats:
    """The scale of each row along the last axis, [..., 1]."""
    largest = np.abs(values).max(axis=-1, keepdims=True)
    return np.where(largest > 0, largest / LARGEST_INT8, 1).astype(np.float32)


def rounded(values: Floats, scales: Floats) -> Floats:
    """Whole numbers from -127 to 127."""
    whole = np.clip(np.rint(values / scales), -LARGEST_INT8, LARGEST_INT8)
    return np.asarray(whole, np.float32)


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


def _opset(model: onnx.ModelProto) -> int:
    versions = (opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx"))
    return int(next(versions, 1))


def _axis(node: onnx.NodeProto) -> int:
    return next((int(each.i) for each in node.attribute if each.name == "axis"), 0)


def _linear(node: onnx.NodeProto, weight: str) -> Iterator[onnx.NodeProto]:
    bias = list(node.input[2:])
    product = f"{node.name}.product" if bias else node.output[0]
    yield helper.make_node("MatMul", [node.input[0], weight], [product], name=f"{node.name}.matmul")
    if bias:
        yield helper.make_node("Add", [product, *bias], list(node.output), name=node.name)


def _rows_taken(node: onnx.NodeProto, rows: str, scales: str) -> Iterator[onnx.NodeProto]:
    """Cast after Gather, so that only the used rows become float."""
    indices, name = node.input[1], node.name
    for source, output in ((rows, f"{name}.int8"), (scales, f"{name}.scale")):
        yield helper.make_node("Gather", [source, indices], [output], name=f"{output}.taken")
    floats = f"{name}.float"
    yield helper.make_node("Cast", [f"{name}.int8"], [floats], name=f"{name}.cast", to=FLOAT)
    yield helper.make_node("Mul", [floats, f"{name}.scale"], [node.output[0]], name=name)


def _row_product(
    node: onnx.NodeProto, weight: str, axes_as_input: bool
) -> Iterator[onnx.NodeProto]:
    tokens, name = node.input[0], node.name
    sizes, largest, ones, bytes_, product = (
        f"{name}.{part}" for part in ("sizes", "largest", "ones", "uint8", "product")
    )
    yield helper.make_node("Abs", [tokens], [sizes], name=sizes)
    reduced, axes = ([sizes, "row_axis"], {}) if axes_as_input else ([sizes], {"axes": [-1]})
    yield helper.make_node("ReduceMax", reduced, [largest], name=largest, keepdims=1, **axes)
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
