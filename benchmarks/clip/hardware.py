"""Hardware limits of the CLIP benchmark: matrix throughput, JPEG decoding, and int8 kernels.

The image graph is compared with a bare int8 MatMul, the decoder with Pillow's full decode, and
onnxruntime's kernel for signed weights with that for unsigned ones, the only two of its x86 kernels
that an option selects.
"""

import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from benchmarks.report import Row
from imagesearch.calibration.parity import cosines
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.image_encoder import IMAGE_BATCH_SIZE
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.session import (
    depends_on_batch,
    open_session,
    session_cores,
    session_options,
)
from models import Floats
from models.clip.reference import random_pixels
from models.clip.weights import VIT_B_32, ClipShape

PEAK_ROUNDS = 7
PEAK_ROWS, PEAK_DEPTH, PEAK_WIDTH = 2048, 3072, 3072
DECODING_ROUNDS = 5
PRECISE = "session.x64quantprecision"


def measure_peak(graph: Path, name: str) -> Row:
    """Throughput of the image graph, as a share of a bare MatMul.

    As the indexer runs it: a batch on each core; the time of all other operators of the graph is
    included.
    """
    cores = session_cores()
    session = open_session(graph, threads=1)
    batch = 1 if depends_on_batch(graph) else IMAGE_BATCH_SIZE
    feed = {"pixel_values": random_pixels(VIT_B_32, 0)[:batch]}
    multiply = _bare_product()
    with ThreadPoolExecutor(cores) as threads:
        seconds = np.array(
            [
                [
                    _seconds(run, cores, threads)
                    for run in (multiply, lambda: session.run(None, feed))
                ]
                for _ in range(PEAK_ROUNDS + 1)
            ]
        )[1:]
    peak = cores * PEAK_ROWS * PEAK_DEPTH * PEAK_WIDTH / seconds[:, 0]
    reached = cores * batch * products(VIT_B_32) / seconds[:, 1]
    return Row(
        f"int8 matrix throughput within the image graph, {name}",
        f"{100 * np.median(reached / peak):.0f} %",
        f"{np.median(reached) / 1e9:.0f} of the {np.median(peak) / 1e9:.0f} GMAC/s of a bare"
        f" int8 MatMul, {PEAK_ROWS} x {PEAK_DEPTH} x {PEAK_WIDTH}; {cores} runs of one thread,"
        f" batches of {batch}",
        "≥ 90 %",
    )


def products(shape: ClipShape) -> float:
    """Multiplications by weights per image, without those of attention between tokens."""
    tower, patches = shape.image, shape.patches_a_side**2
    tokens = patches + 1
    square, wide = tower.width**2, tower.width * tower.inner
    block = tokens * (4 * square + 2 * wide)
    # The last block computes keys and values of all tokens, the rest for the class token only.
    last = tokens * 2 * square + 2 * square + 2 * wide
    ends = patches * 3 * shape.patch**2 * tower.width + tower.width * shape.dimension
    return float((tower.layers - 1) * block + last + ends)


def _seconds(run: Callable[[], object], times: int, threads: ThreadPoolExecutor) -> float:
    """The time of simultaneous runs."""
    started = time.perf_counter()
    for future in [threads.submit(run) for _ in range(times)]:
        future.result()
    return time.perf_counter() - started


def _bare_product() -> Callable[[], object]:
    """uint8 times int8, as in quantized graphs, at a size that reaches peak throughput."""
    random = np.random.default_rng(0)
    left = random.integers(0, 255, (PEAK_ROWS, PEAK_DEPTH), np.uint8)
    right = random.integers(-127, 127, (PEAK_DEPTH, PEAK_WIDTH), np.int8)
    node = helper.make_node("MatMulInteger", ["left", "right"], ["product"])
    weight = helper.make_tensor("right", TensorProto.INT8, right.shape, right.tobytes(), raw=True)
    takes = helper.make_tensor_value_info("left", TensorProto.UINT8, left.shape)
    gives = helper.make_tensor_value_info("product", TensorProto.INT32, (PEAK_ROWS, PEAK_WIDTH))
    graph = helper.make_graph([node], "product", [takes], [gives], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = open_session(model.SerializeToString(), threads=1)
    return lambda: session.run(None, {"left": left})


def measure_decoding(folder: Path, photos: Sequence[Path]) -> Row:
    """Decoding and preprocessing of large JPEGs, compared with Pillow."""
    image = load_manifest(folder).image
    files = [path.read_bytes() for path in photos]

    def ours(data: bytes) -> object:
        return decode(data, image.preprocessing)

    def pillow(data: bytes) -> object:
        with Image.open(io.BytesIO(data)) as opened:
            picture = opened.convert("RGB")
        shrink = image.size / min(picture.size)
        sides = round(picture.width * shrink), round(picture.height * shrink)
        return np.asarray(picture.resize(sides, Image.Resampling.BICUBIC), np.float32) / 255

    seconds = np.array(
        [[_decoding_seconds(way, files) for way in (ours, pillow)] for _ in range(DECODING_ROUNDS)]
    )
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    mine, theirs = 1000 * np.median(seconds, axis=0) / len(files)
    size = np.mean([len(data) for data in files]) / 1e6
    return Row(
        "12-megapixel JPEG, decode and preprocess, one core",
        f"{mine:.0f} ms, {ratio:.1f} times as fast",
        f"Pillow's full decode and resize: {theirs:.0f} ms; files of {size:.1f} MB",
        "≥ 3 times",
    )


def _decoding_seconds(way: Callable[[bytes], object], files: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for data in files:
        way(data)
    return time.perf_counter() - started


def measure_kernels(graph: Path, name: str) -> Row:
    """Vectors of the kernel for signed weights, compared with the one for unsigned weights."""
    signed, unsigned = (_vectors(graph, choice) for choice in ("0", "1"))
    worst = cosines(unsigned, signed).worst
    equal = "bit for bit" if np.array_equal(signed, unsigned) else f"worst cosine {worst:.6f}"
    how = f"the kernel for signed weights against the one for unsigned, {len(signed)} pictures"
    return Row(f"the same vectors from both int8 kernels, {name}", equal, how, "≥ 0.9999")


def _vectors(graph: Path, precise: str) -> Floats:
    options = session_options(None)
    options.add_session_config_entry(PRECISE, precise)
    session = open_session(graph, options=options)
    pixels = random_pixels(VIT_B_32, 0)
    alone = [session.run(None, {"pixel_values": picture[None]})[0] for picture in pixels]
    return np.concatenate(alone)
