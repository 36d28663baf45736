"""Static int8 quantization in the form that is fastest in onnxruntime.

The common form, QDQ, rounds each product to 8 bits again and adds its bias later. Here the kernel
returns float32 with the bias added: fewer passes over memory, and one rounding less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import helper

from local.quantization.rows import ONNXRUNTIME_OPS, int8_columns, matrices, rebuilt
from models.quantization.methods import Feed, qdq_int8

Tensors = dict[str, onnx.TensorProto]


def static_int8(
    model: onnx.ModelProto, feeds: Iterable[Feed], leave_out: Sequence[str] = ()
) -> onnx.ModelProto:
    """int8 weights per channel; activations with one fixed scale each, without batch dependence."""
    calibrated, tensors = _tensors(qdq_int8(model, feeds, leave_out)), _tensors(model)
    new: dict[str, list[onnx.NodeProto]] = {}
    made: Tensors = {}
    replaced = set()
    for node in matrices(model):
        tokens, weight = node.input
        if f"{weight}_quantized" not in calibrated:
            continue
        point = [f"{tokens}_scale", f"{tokens}_zero_point"]
        new[node.name] = [] if point[0] in made else [_rounding(tokens, point)]
        adding, bias = _bias(model, node, tensors)
        new[node.name].append(_product(node, point, bias, adding))
        if adding is not None:
            new[adding.name] = []
        made |= {name: calibrated[name] for name in point}
        made |= {part.name: part for part in int8_columns(tensors[weight])}
        replaced.add(weight)
    return rebuilt(model, new, list(made.values()), replaced)


def _rounding(tokens: str, point: Sequence[str]) -> onnx.NodeProto:
    rounded = f"{tokens}.uint8"
    return helper.make_node("QuantizeLinear", [tokens, *point], [rounded], name=rounded)


def _product(
    node: onnx.NodeProto, point: Sequence[str], bias: str, adding: onnx.NodeProto | None
) -> onnx.NodeProto:
    """The product with its bias, instead of `node` and of the node that added the bias."""
    (tokens, weight), (scale, zero) = node.input, point
    columns = [f"{weight}.int8", scale, f"{weight}.scale", zero]
    return helper.make_node(
        "MatMulIntegerToFloat",
        [f"{tokens}.uint8", *columns, *(["", bias] if bias else [])],
        list((adding or node).output),
        name=node.name,
        domain=ONNXRUNTIME_OPS,
    )


def _bias(
    model: onnx.ModelProto, node: onnx.NodeProto, tensors: Tensors
) -> tuple[onnx.NodeProto | None, str]:
    """The only consumer of the product, if it adds a constant vector, and that vector's name."""
    readers = [other for other in model.graph.node if node.output[0] in other.input]
    if len(readers) == 1 and readers[0].op_type == "Add":
        (other,) = (name for name in readers[0].input if name != node.output[0])
        if other in tensors and len(tensors[other].dims) == 1:
            return readers[0], other
    return None, ""


def _tensors(model: onnx.ModelProto) -> Tensors:
    return {tensor.name: tensor for tensor in model.graph.initializer}
