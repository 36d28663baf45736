"""How much of this machine's int8 arithmetic the image tower's matrices reach."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from benchmarks.report import Row
from imagesearch.embedding.company import needs_solitude
from imagesearch.embedding.image_encoder import IMAGES_AT_A_TIME
from imagesearch.embedding.session import open_session
from models.clip.reference import random_pixels
from models.clip_shape import VIT_B_32, ClipShape

ROUNDS = 7
PEAK_ROWS, PEAK_DEPTH, PEAK_WIDTH = 2048, 3072, 3072


def measure(graph: Path, name: str) -> Row:
    """As many pictures at a time as the product runs. The whole tower's time counts, with all that
    is no product of matrices."""
    threads = os.cpu_count() or 1
    session = open_session(graph, threads)
    batch = 1 if needs_solitude(graph) else IMAGES_AT_A_TIME
    feed = {"pixel_values": random_pixels(VIT_B_32, 0)[:batch]}
    multiply = _bare_product(threads)
    seconds = np.array(
        [[_seconds(multiply), _seconds(lambda: session.run(None, feed))] for _ in range(ROUNDS + 1)]
    )[1:]
    peak = PEAK_ROWS * PEAK_DEPTH * PEAK_WIDTH / seconds[:, 0]
    reached = batch * products(VIT_B_32) / seconds[:, 1]
    return Row(
        f"int8 matrix throughput within the image graph, {name}",
        f"{100 * np.median(reached / peak):.0f} %",
        f"{np.median(reached) / 1e9:.0f} of the {np.median(peak) / 1e9:.0f} GMAC/s of a bare"
        f" int8 MatMul, {PEAK_ROWS} x {PEAK_DEPTH} x {PEAK_WIDTH}; batch {batch}",
        "≥ 50 %",
    )


def products(shape: ClipShape) -> float:
    """Multiplications by weights for one picture; those between tokens are not counted."""
    tower, patches = shape.image, shape.patches_a_side**2
    tokens = patches + 1
    square, wide = tower.width**2, tower.width * tower.inner
    block = tokens * (4 * square + 2 * wide)
    # The last block is computed for the class token alone, but for its keys and values.
    last = tokens * 2 * square + 2 * square + 2 * wide
    ends = patches * 3 * shape.patch**2 * tower.width + tower.width * shape.dimension
    return float((tower.layers - 1) * block + last + ends)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _bare_product(threads: int) -> Callable[[], object]:
    """uint8 times int8, as quantised graphs multiply, and large enough to be at its best."""
    random = np.random.default_rng(0)
    left = random.integers(0, 255, (PEAK_ROWS, PEAK_DEPTH), np.uint8)
    right = random.integers(-127, 127, (PEAK_DEPTH, PEAK_WIDTH), np.int8)
    node = helper.make_node("MatMulInteger", ["left", "right"], ["product"])
    weight = helper.make_tensor("right", TensorProto.INT8, right.shape, right.tobytes(), raw=True)
    takes = helper.make_tensor_value_info("left", TensorProto.UINT8, left.shape)
    gives = helper.make_tensor_value_info("product", TensorProto.INT32, (PEAK_ROWS, PEAK_WIDTH))
    graph = helper.make_graph([node], "product", [takes], [gives], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = open_session(model.SerializeToString(), threads)
    return lambda: session.run(None, {"left": left})
