"""Conversion of unsigned weights to signed weights does not change results."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from imagesearch.embedding.int8_weights import signed
from imagesearch.embedding.session import (
    open_session,
    plainly_exact,
    session_options,
    signed_weights_are_exact,
)
from models.clip.graphs import build_image_graph
from models.clip.reference import random_pixels
from models.clip.weights import TINY, random_weights
from models.quantization.methods import dynamic_int8

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)
WIDE, DEEP = 24, 40


def quantized(zero_point: int | list[int], *, raw: bool = True, nodes=(), op="MatMulInteger"):
    """x → DynamicQuantizeLinear → MatMulInteger → Cast, Mul, as written by common quantizers."""
    zeros = np.array(zero_point, np.uint8)
    weight = RNG.integers(0, 256, (DEEP, WIDE), np.uint8)
    chain = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node(op, ["q", "w", "zero", "w_zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["y"]),
        *nodes,
    ]
    point = (
        numpy_helper.from_array(zeros, "w_zero")
        if raw
        else helper.make_tensor("w_zero", TensorProto.UINT8, zeros.shape, zeros.ravel().tolist())
    )
    return model(chain, [numpy_helper.from_array(weight, "w"), point])


def model(nodes, constants, outputs=("y",)):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    named = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "g", [x], named, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.metadata_props.add(key="made", value="by a test")
    return made.SerializeToString()


def run(made: bytes, x: np.ndarray) -> np.ndarray:
    return open_session(made, 1).run(["y"], {"x": x})[0]


def initializers(made: bytes) -> dict[str, np.ndarray]:
    tensors = onnx.load_from_string(made).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def test_the_largest_products_are_exact_on_this_cpu():
    assert signed_weights_are_exact()


def test_a_cpu_with_exact_products_keeps_its_fast_kernel():
    try:
        precise = session_options(1).get_session_config_entry("session.x64quantprecision")
    except RuntimeError:
        precise = "0"
    assert precise == ("0" if plainly_exact() else "1")


@pytest.mark.parametrize("extreme", [-128, 127])
@pytest.mark.parametrize("rows", [1, 4, 50])
def test_products_of_static_graphs_are_exact_on_this_cpu(rows, extreme):
    """Values that saturate in the kernel for signed weights of a CPU without VNNI."""
    one, zero = np.array(1, np.float32), np.array(0, np.uint8)
    constants = {"w": np.full((DEEP, WIDE), extreme, np.int8), "one": one, "zero": zero}
    inputs = ["q", "w", "one", "one", "zero"]
    chain = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        helper.make_node("MatMulIntegerToFloat", inputs, ["y"], domain="com.microsoft"),
    ]
    made = model(chain, [numpy_helper.from_array(value, name) for name, value in constants.items()])
    found = run(made, np.full((rows, DEEP), 255, np.float32))
    assert np.array_equal(found, np.full((rows, WIDE), 255 * extreme * DEEP))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("zero_point", [0, 7, 127, 128, 255, list(range(WIDE))])
def test_the_outputs_are_equal(zero_point, raw):
    before = quantized(zero_point, raw=raw)
    after = signed(before)
    assert after is not None
    for scale in (1, 1000):
        x = (RNG.normal(size=(6, DEEP)) * scale).astype(np.float32)
        assert np.array_equal(run(before, x), run(after, x))


@pytest.mark.parametrize("threads", [1, 2])
def test_vectors_of_a_whole_graph_are_equal_with_both_kernels_and_any_threads(threads):
    """Unsigned weights, as on a CPU without VNNI, and signed ones."""
    before = dynamic_int8(build_image_graph(TINY, random_weights(TINY, 0)), signed=False)
    pixels = random_pixels(TINY, 0)[:1]
    (expected,) = open_session(before.SerializeToString(), 1).run(None, {"pixel_values": pixels})
    after = signed(before.SerializeToString())
    assert after is not None
    for made in (before.SerializeToString(), after):
        (found,) = open_session(made, threads).run(None, {"pixel_values": pixels})
        assert np.array_equal(found, expected)


def test_only_the_weights_are_converted():
    before = quantized(130, raw=False)
    after = signed(before)
    old, new = initializers(before), initializers(after)
    assert new["w"].dtype == new["w_zero"].dtype == np.int8
    assert np.array_equal(new["w"], old["w"].astype(int) - 128)
    assert new["w_zero"] == 2
    one, other = onnx.load_from_string(before), onnx.load_from_string(after)
    for each in (one, other):
        del each.graph.initializer[:]
    assert one == other


def test_the_conversion_is_idempotent():
    assert signed(signed(quantized(7))) is None


def test_the_conversion_is_deterministic():
    before = quantized(7)
    assert signed(before) == signed(before)


def test_convolution_weights_are_not_converted():
    weight = RNG.integers(0, 256, (4, 3, 2, 2), np.uint8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("ConvInteger", ["q", "w", "zero", "w_zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    constants = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.array(99, np.uint8), "w_zero"),
    ]
    before = model(nodes, constants)
    assert run(before, RNG.normal(size=(1, 3, 5, 5)).astype(np.float32)).shape == (1, 4, 4, 4)
    assert signed(before) is None


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("DequantizeLinear", ["w", "scale", "w_zero"], ["also"])],
        [helper.make_node("MatMulInteger", ["q", "w", "zero"], ["also"])],
        [helper.make_node("Identity", ["w_zero"], ["also"])],
    ],
)
def test_weights_with_another_use_are_not_converted(nodes):
    assert signed(quantized(7, nodes=nodes)) is None


def test_a_shared_zero_point_prevents_the_conversion():
    other = numpy_helper.from_array(RNG.integers(-9, 9, (WIDE, 4), np.int8), "signed")
    made = onnx.load_from_string(quantized(7))
    made.graph.initializer.append(other)
    made.graph.node.append(
        helper.make_node("MatMulInteger", ["q", "signed", "zero", "w_zero"], ["also"])
    )
    assert signed(made.SerializeToString()) is None


def test_a_graph_with_a_subgraph_is_not_converted():
    inner = helper.make_graph([helper.make_node("Identity", ["w"], ["o"])], "inner", [], [])
    node = helper.make_node("If", ["condition"], ["also"], then_branch=inner, else_branch=inner)
    assert signed(quantized(7, nodes=[node])) is None


def test_a_weight_that_is_an_input_or_output_is_not_converted():
    made = onnx.load_from_string(quantized(7))
    made.graph.output.append(helper.make_tensor_value_info("w", TensorProto.UINT8, [DEEP, WIDE]))
    assert signed(made.SerializeToString()) is None


def test_an_operator_of_another_domain_is_not_converted():
    made = onnx.load_from_string(quantized(7))
    made.graph.node[1].domain = "elsewhere"
    assert signed(made.SerializeToString()) is None


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 40, quantized(7)[:-9]])
def test_an_incomplete_model_is_not_converted(content):
    assert signed(content) is None


@pytest.mark.parametrize("per_channel", [False, True])
def test_output_of_the_onnxruntime_quantizer_is_converted(per_channel, tmp_path):
    """A convolution and two products, quantized like public models."""
    shapes = {"kernel": (8, 3, 4, 4), "one": (8, 16), "two": (16, 5)}
    constants = [
        numpy_helper.from_array(RNG.normal(0.1, 1, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["patches"], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["patches"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "one"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "two"], ["y"]),
    ]
    (tmp_path / "float.onnx").write_bytes(model(nodes, constants))
    quantize_dynamic(
        tmp_path / "float.onnx",
        tmp_path / "unsigned.onnx",
        per_channel=per_channel,
        weight_type=QuantType.QUInt8,
    )
    before = (tmp_path / "unsigned.onnx").read_bytes()
    after = signed(before)
    kinds = {name: value.dtype for name, value in initializers(after).items()}
    assert [kinds["one_quantized"], kinds["two_quantized"]] == [np.int8, np.int8]
    assert kinds["kernel_quantized"] == np.uint8
    x = RNG.normal(size=(3, 3, 16, 16)).astype(np.float32)
    assert np.array_equal(run(before, x), run(after, x))


@given(
    zero=st.integers(0, 255),
    shift=st.integers(0, 255),
    low=st.integers(0, 200),
    seed=st.integers(0, 9),
)
@example(zero=0, shift=255, low=0, seed=0)
@example(zero=255, shift=0, low=200, seed=0)
@settings(max_examples=25, deadline=None)
def test_products_of_unsigned_weights_with_zero_points_of_their_own_are_exact(
    zero: int, shift: int, low: int, seed: int
) -> None:
    """Convolution and matrix product as in SigLIP 2's int8 graphs, and after the conversion."""
    rng = np.random.default_rng(seed)
    filters = rng.integers(low, 256, (WIDE, 3, 4, 4), np.uint8)
    weight = rng.integers(low, 256, (WIDE, DEEP), np.uint8)
    pixels = rng.integers(low, 256, (1, 3, 4, 4), np.uint8)
    tokens = rng.integers(low, 256, (2, WIDE), np.uint8)
    before = integer_products(filters, weight, zero, shift)
    after = signed(before)
    assert after is not None
    (kept, lowered) = (initializers(after)[name] for name in ("filters", "weight"))
    assert (kept.dtype, lowered.dtype) == (np.uint8, np.int8)
    points = np.int64(shift), np.int64(zero)
    convolved = ((pixels - points[0]) * (filters - points[1])).sum(axis=(1, 2, 3))
    multiplied = (tokens - points[0]) @ (weight - points[1])
    for made in (before, after):
        found = open_session(made, 1).run(["c", "m"], {"pixels": pixels, "tokens": tokens})
        assert np.array_equal(found[0][0, :, 0, 0], convolved)
        assert np.array_equal(found[1], multiplied)


def integer_products(filters, weight, zero, shift) -> bytes:
    """ConvInteger and MatMulInteger, with the zero points `zero` of weights, `shift` of inputs."""
    constants = {
        "filters": filters,
        "weight": weight,
        "shift": np.array(shift, np.uint8),
        "filters_zero": np.array(zero, np.uint8),
        "weight_zero": np.array(zero, np.uint8),
    }
    nodes = [
        helper.make_node("ConvInteger", ["pixels", "filters", "shift", "filters_zero"], ["c"]),
        helper.make_node("MatMulInteger", ["tokens", "weight", "shift", "weight_zero"], ["m"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, None)
            for name in ("pixels", "tokens")
        ],
        [helper.make_tensor_value_info(name, TensorProto.INT32, None) for name in "cm"],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
