"""The profile of a graph: every operator is attributed to one part."""

import pytest

from benchmarks.clip.operators import PARTS, Profiled, milliseconds, part_of
from models.clip.graphs import build_image_graph
from models.clip.reference import random_pixels
from models.clip.weights import TINY, random_weights
from models.quantization.methods import dynamic_int8


@pytest.mark.parametrize(
    ("operator", "part"),
    [
        ("DynamicQuantizeMatMul", "products with weights"),
        ("MatMulIntegerToFloat", "products with weights"),
        ("QuantizeLinear", "rounding of activations"),
        ("MultiHeadAttention", "attention"),
        ("Split", "other operators"),
    ],
)
def test_each_operator_belongs_to_one_part(operator, part):
    assert part_of(operator) == part
    assert part in PARTS


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_a_graph_is_profiled_by_parts(tmp_path, batch):
    graph = dynamic_int8(build_image_graph(TINY, random_weights(TINY, 0)))
    (tmp_path / "image.onnx").write_bytes(graph.SerializeToString())
    pixels = random_pixels(TINY, 0)[:batch]
    profiled = Profiled("tiny", tmp_path / "image.onnx", {"pixel_values": pixels})
    assert profiled.batch == batch
    assert tuple(milliseconds(profiled, runs=3)) == PARTS
