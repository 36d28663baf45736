"""The speed of CLIP ViT-B/32's image tower in every number format, all in one run.

Sessions take turns, so that what else the machine does falls on all of them alike; the ratios are
worth more than the times.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
from onnx import TensorProto, helper

from benchmarks.clip_variants import DYNAMIC, FLOAT32, Session, open_session, sessions
from benchmarks.table import Row
from models.clip_reference import random_pixels
from models.clip_shape import VIT_B_32, ClipShape
from models.parity import cosines
from models.quantise import Floats

TITLE = "CLIP ViT-B/32 image tower, random weights"
BATCHES, ROUNDS, MOST_PICTURES = (1, 4, 8), 7, 8
Times = dict[str, list[float]]
PEAK_ROWS, PEAK_DEPTH, PEAK_WIDTH = 2048, 3072, 3072


def measure() -> Iterator[Row]:
    # Its advice is for graphs that were exported, not built.
    logging.disable(logging.WARNING)
    threads = os.cpu_count() or 1
    pixels = np.concatenate([random_pixels(VIT_B_32, seed) for seed in (0, 1)])
    graphs = dict(sessions(threads))
    multiply, spent = _bare_product(threads), {}
    for batch in BATCHES:
        runs = {name: _run(graph, pixels[:batch]) for name, graph in graphs.items()}
        spent[batch] = _in_turns(runs | ({"bare": multiply} if batch == BATCHES[-1] else {}))
    exact = _vectors(graphs[FLOAT32], pixels, MOST_PICTURES)
    for name, graph in graphs.items():
        yield Row(name, _speeds(name, spent), _faithfulness(graph, pixels, exact))
    yield _share_of_peak(spent[BATCHES[-1]])


def _speeds(name: str, spent: dict[int, Times]) -> str:
    """Milliseconds a picture, and how many times as fast as float32, per batch size."""
    figures = []
    for batch, times in spent.items():
        each = 1000 * float(np.median(times[name])) / batch
        ratio = np.median(np.array(times[FLOAT32]) / np.array(times[name]))
        figures.append(f"{each:.1f} ms ({ratio:.2f} x)")
    return " · ".join(figures)


def _faithfulness(graph: Session, pixels: Floats, exact: Floats) -> str:
    together, alone = (_vectors(graph, pixels, batch) for batch in (MOST_PICTURES, 1))
    return (
        f"worst cosine to fp32 {cosines(together, exact).worst:.5f},"
        f" alone to in a batch {cosines(together, alone).worst:.5f}"
    )


def _share_of_peak(times: Times) -> Row:
    """What the matrices of the tower reach, against one large product of the same formats."""
    peak = PEAK_ROWS * PEAK_DEPTH * PEAK_WIDTH / np.array(times["bare"])
    reached = BATCHES[-1] * products(VIT_B_32) / np.array(times[DYNAMIC])
    value = f"{np.median(reached) / 1e9:.0f} of {np.median(peak) / 1e9:.0f} GMAC/s"
    share = 100 * float(np.median(reached / peak))
    return Row(f"{DYNAMIC}: throughput", value, f"{share:.0f} % of a bare int8 MatMul")


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


def _in_turns(runs: dict[str, Callable[[], object]]) -> Times:
    """Seconds of every round; the first of all is not counted."""
    spent: Times = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - started)
    return {name: times[1:] for name, times in spent.items()}


def _run(graph: Session, pixels: Floats) -> Callable[[], object]:
    return lambda: graph.run(None, {"pixel_values": pixels})


def _vectors(graph: Session, pixels: Floats, batch: int) -> Floats:
    parts = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
    return np.concatenate([graph.run(None, {"pixel_values": part})[0] for part in parts])


def _bare_product(threads: int) -> Callable[[], object]:
    """uint8 times int8, as dynamic quantisation multiplies, and large enough to be at its best."""
    random = np.random.default_rng(0)
    left = random.integers(0, 255, (PEAK_ROWS, PEAK_DEPTH), np.uint8)
    right = random.integers(-127, 127, (PEAK_DEPTH, PEAK_WIDTH), np.int8)
    node = helper.make_node("MatMulInteger", ["left", "right"], ["product"])
    weight = helper.make_tensor("right", TensorProto.INT8, right.shape, right.tobytes(), raw=True)
    takes = helper.make_tensor_value_info("left", TensorProto.UINT8, left.shape)
    gives = helper.make_tensor_value_info("product", TensorProto.INT32, (PEAK_ROWS, PEAK_WIDTH))
    graph = helper.make_graph([node], "product", [takes], [gives], [weight])
    opsets = [helper.make_opsetid("", 17)]
    session = open_session(helper.make_model(graph, opset_imports=opsets, ir_version=9), threads)
    return lambda: session.run(None, {"left": left})
