"""CLIP ViT-B/32's image tower in every form that is measured; random weights, so no download."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from onnxruntime.transformers import optimizer

from benchmarks.clip_seed import SEED
from imagesearch.embedding.sessions import Session, open_session
from models.clip_image_graph import build_image_graph
from models.clip_reference import random_pixels
from models.clip_shape import VIT_B_32
from models.clip_weights import random_weights
from models.quantise_rows import blocks_int8, rows_int8
from models.quantise_static import static_int8
from models.quantisers import Feed, dynamic_int8, half_weights, qdq_int8

FLOAT32 = "fp32, fused attention"


def sessions(threads: int) -> Iterator[tuple[str, Session]]:
    """Name and session; one model at a time is in memory beside its session."""
    weights = random_weights(VIT_B_32, SEED)
    fused = build_image_graph(VIT_B_32, weights)
    plain = build_image_graph(VIT_B_32, weights, fused=False)
    del weights
    made: dict[str, Callable[[], onnx.ModelProto]] = {
        FLOAT32: lambda: fused,
        "fp32, plain ONNX": lambda: plain,
        "fp32, fused attention, transformer optimiser": lambda: _optimised(fused),
        "fp16 weights, fp32 computed": lambda: half_weights(fused),
        "int8 dynamic, signed, per channel": lambda: dynamic_int8(fused),
        "int8 dynamic, signed, per channel, plain ONNX": lambda: dynamic_int8(plain),
        "int8 dynamic, unsigned, per channel": lambda: dynamic_int8(fused, signed=False),
        "int8 dynamic, signed, per tensor": lambda: dynamic_int8(fused, per_channel=False),
        "int8 static, signed, per channel": lambda: static_int8(fused, _calibration()),
        "int8 static, as QDQ": lambda: qdq_int8(fused, _calibration()),
        "int8, a scale for each token": lambda: rows_int8(fused),
        "int8 blocks of 32 (MatMulNBits)": lambda: blocks_int8(fused),
    }
    for name, make in made.items():
        yield name, open_session(make().SerializeToString(), threads)


def _calibration() -> Iterator[Feed]:
    """Noise, as what is measured later: speed asks no more, and real photos say no more of random
    weights."""
    for seed in range(2, 4):
        yield {"pixel_values": random_pixels(VIT_B_32, seed)}


def _optimised(model: onnx.ModelProto) -> onnx.ModelProto:
    """What onnxruntime's own tool for transformers still finds to fuse."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.onnx"
        onnx.save(model, path)
        shape = VIT_B_32.image
        found = optimizer.optimize_model(
            str(path), "clip", num_heads=shape.heads, hidden_size=shape.width, opt_level=0
        )
        return found.model
