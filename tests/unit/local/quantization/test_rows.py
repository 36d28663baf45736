"""Claims: int8 rows compute what float32 computes, for the linear layers of any exporter."""

from itertools import product

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from imagesearch.embedding.session import open_session
from local.quantization.rows import as_products, rows_int8, tables_int8

pytestmark = pytest.mark.slow

DEPTH, WIDTH, ROWS = 96, 40, 5
Floats = npt.NDArray[np.float32]


def model(
    nodes: list[onnx.NodeProto], given: onnx.ValueInfoProto, opset: int, **constants: Floats
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "linear",
        [given],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run(made: onnx.ModelProto, fed: npt.NDArray[np.generic]) -> Floats:
    (found,) = open_session(made.SerializeToString(), 1).run(None, {"x": fed})
    return np.asarray(found, np.float32)


X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", DEPTH])


@pytest.mark.parametrize(
    ("opset", "operator", "transposed", "biased"),
    [
        *product((17, 18), ("Gemm",), (0, 1), (False, True)),
        *product((17, 18), ("MatMul",), (0,), (False,)),
    ],
)
def test_a_linear_layer_is_preserved(
    opset: int, operator: str, transposed: int, biased: bool
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(DEPTH, WIDTH)).astype(np.float32)
    constants = {"w": np.ascontiguousarray(weight.T) if transposed else weight}
    if biased:
        constants["b"] = rng.normal(size=WIDTH).astype(np.float32)
    about = {"transB": transposed} if operator == "Gemm" else {}
    # Exporters may leave nodes without a name.
    node = helper.make_node(operator, ["x", *constants], ["y"], **about)
    made = model([node], X, opset, **constants)
    quantized = rows_int8(as_products(made))
    assert quantized.ByteSize() < made.ByteSize() / 2
    # Each row has its own scale, so that a large one does not cost the others their precision.
    tokens = rng.normal(size=(ROWS, DEPTH)) * np.logspace(-3, 3, ROWS)[:, None]
    expected, found = (run(each, tokens.astype(np.float32)) for each in (made, quantized))
    error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 0.02


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_products_do_not_saturate_on_this_cpu(sign: int) -> None:
    ones = np.ones((DEPTH, WIDTH), np.float32)
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], X, 18, w=sign * ones)
    found = run(rows_int8(as_products(made)), np.ones((ROWS, DEPTH), np.float32))
    assert np.allclose(found, sign * DEPTH, rtol=1e-5)


def test_a_layer_with_other_factors_stays_float32() -> None:
    weight = np.ones((DEPTH, WIDTH), np.float32)
    made = model([helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5)], X, 18, w=weight)
    assert [node.op_type for node in rows_int8(as_products(made)).graph.node] == ["Gemm"]


@pytest.mark.parametrize(("axis", "operators"), [(0, {"Gather", "Cast", "Mul"}), (1, {"Gather"})])
def test_only_tables_whose_rows_are_taken_are_quantized(axis: int, operators: set[str]) -> None:
    table = np.random.default_rng(1).normal(size=(DEPTH, WIDTH)).astype(np.float32)
    ids = helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])
    made = model([helper.make_node("Gather", ["t", "x"], ["y"], axis=axis)], ids, 18, t=table)
    quantized = tables_int8(as_products(made))
    assert {node.op_type for node in quantized.graph.node} == operators
    rows = np.array([0, 3, 3, WIDTH - 1])
    assert np.allclose(run(quantized, rows), run(made, rows), atol=0.02)
