"""Time of each operator of CLIP's graphs on one thread, from onnxruntime's profile.

A node counts with its fastest run, so that other load on the machine changes the figures little:
the sum is the time that one idle core needs. Nodes of several milliseconds are interrupted by other
processes in every run on a busy machine, and appear slower; float32 is therefore not batched.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.clip.hardware import PRECISE
from benchmarks.clip.inputs import ClipFolders
from imagesearch.embedding.image_encoder import IMAGE_BATCH_SIZE
from imagesearch.embedding.session import open_session, session_options
from models.clip.reference import random_pixels
from models.clip.weights import VIT_B_32

RUNS = 40
# A text of 6 words with its start and end token.
TOKENS = np.array([[49406, 320, 1929, 525, 320, 6050, 2117, 49407]])
_PRODUCTS = {"MatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger"}
_ROUNDING = {"QuantizeLinear", "DynamicQuantizeLinear"}
_NAMES = {
    "MultiHeadAttention": "attention",
    "QuickGelu": "GELU",
    "LayerNormalization": "layer norms",
}
PARTS = ("products with weights", "rounding of activations", *_NAMES.values(), "other operators")
Line = list[str]


@dataclass(frozen=True)
class Profiled:
    """A graph with its inputs; `options` are entries of onnxruntime's session configuration."""

    name: str
    graph: Path
    feed: Mapping[str, Any]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return len(next(iter(self.feed.values())))


def operators_table(folders: ClipFolders) -> Iterator[Line]:
    """The header, then ms per picture or text by part of the graph."""
    columns = {each.name: milliseconds(each) for each in _profiled(folders)}
    yield ["ms on one core", *columns]
    for part in PARTS:
        yield [part, *(f"{column[part]:.1f}" for column in columns.values())]
    yield ["sum", *(f"{sum(column.values()):.1f}" for column in columns.values())]


def _profiled(folders: ClipFolders) -> Iterator[Profiled]:
    pixels = np.resize(
        random_pixels(VIT_B_32, 0), (IMAGE_BATCH_SIZE, 3, *[VIT_B_32.image_size] * 2)
    )
    one, several = ({"pixel_values": some.astype(np.float32)} for some in (pixels[:1], pixels))
    text = {"input_ids": TOKENS}
    unsigned = {PRECISE: "1"}
    fp32, dynamic, static = (
        f / "image.onnx" for f in (folders.fp32, folders.dynamic, folders.static)
    )
    yield Profiled("image, float32", fp32, one)
    yield Profiled("image, dynamic, kernel for unsigned weights", dynamic, one, unsigned)
    yield Profiled("image, dynamic", dynamic, one)
    yield Profiled("image, static", static, one)
    yield Profiled(f"image, static, batches of {IMAGE_BATCH_SIZE}", static, several)
    yield Profiled("text, float32", folders.fp32 / "text.onnx", text)
    yield Profiled("text, dynamic", folders.dynamic / "text.onnx", text)


def milliseconds(profiled: Profiled, runs: int = RUNS) -> dict[str, float]:
    """Milliseconds per input by part of the graph."""
    found: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    for operator, microseconds in _fastest(profiled, runs).items():
        found[part_of(operator)] += microseconds / 1000 / profiled.batch
    return found


def _fastest(profiled: Profiled, runs: int) -> Counter[str]:
    """Microseconds by operator: the sum of the fastest runs of its nodes."""
    options = session_options(1)
    for name, value in profiled.options.items():
        options.add_session_config_entry(name, value)
    options.enable_profiling = True
    with TemporaryDirectory(prefix="imagesearch-profile-") as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = open_session(profiled.graph, options=options)
        for _ in range(runs):
            session.run(None, profiled.feed)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    nodes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            nodes[event["args"]["op_name"], event["name"]].append(event["dur"])
    total: Counter[str] = Counter()
    for (operator, _), durations in nodes.items():
        total[operator] += min(durations)
    return total


def part_of(operator: str) -> str:
    """The part of the graph, one of PARTS, that an operator of onnxruntime belongs to."""
    if operator in _PRODUCTS:
        return "products with weights"
    if operator in _ROUNDING:
        return "rounding of activations"
    return _NAMES.get(operator, "other operators")
