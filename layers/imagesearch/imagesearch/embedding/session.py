"""ONNX graphs, run on the CPU of a small function.

Whether a session multiplies signed 8-bit weights exactly on this machine.

Where a CPU has no VNNI, the kernel for signed weights adds two products in 16 bits, and large ones
are cut off, unless the session is told to avoid that kernel.

Whether a graph gives the same picture or text another vector in other company.

A DynamicQuantizeLinear takes one scale for all that it is given: the loudest of a batch decides
how finely the others are rounded, and so does what a text is padded with.

Vectors leave here with length 1, or not at all.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.images import Embedding
from imagesearch.embedding.int8_weights import GRAPH, NODE, OP_TYPE
from imagesearch.embedding.protobuf import Malformed, bytes_field, fields, varint_field

DEPTH, WIDTH = 64, 64
UINT8, INT8, INT32 = 2, 3, 6


def exact_with(open_model: Callable[[bytes], Any]) -> bool:
    """Multiplies the largest values there are, and compares with what they must give.

    open_model: makes an onnxruntime session, with the options in question, of a model's bytes.
    """
    for weight in (127, -128):
        session = open_model(_multiplication(weight))
        for rows in (1, 2, 50):
            left = np.full((rows, DEPTH), 255, np.uint8)
            (product,) = session.run(None, {"left": left})
            if not np.array_equal(product, np.full((rows, WIDTH), DEPTH * 255 * weight)):
                return False
    return True


def _multiplication(weight: int) -> bytes:
    """`left` [N, M] uint8 times a constant [M, K] of int8, as an ONNX model."""
    node = bytes_field(
        1,
        [
            bytes_field(1, [b"left"]),
            bytes_field(1, [b"right"]),
            bytes_field(2, [b"product"]),
            bytes_field(4, [b"MatMulInteger"]),
        ],
    )
    graph = [
        node,
        bytes_field(2, [b"multiplication"]),
        bytes_field(5, _constant("right", np.full((DEPTH, WIDTH), weight, np.int8))),
        bytes_field(11, _value("left", UINT8)),
        bytes_field(12, _value("product", INT32)),
    ]
    opset = bytes_field(8, [varint_field(2, 17)])
    return b"".join([varint_field(1, 8), bytes_field(7, graph), opset])


def _constant(name: str, values: NDArray[np.int8]) -> list[bytes]:
    """A TensorProto."""
    sides = [varint_field(1, side) for side in values.shape]
    named = bytes_field(8, [name.encode()])
    return [*sides, varint_field(2, INT8), named, bytes_field(9, [values.tobytes()])]


def _value(name: str, element: int) -> list[bytes]:
    """A ValueInfoProto: a matrix of these elements."""
    shape = bytes_field(2, [bytes_field(1, [bytes_field(2, [side])]) for side in (b"a", b"b")])
    tensor = bytes_field(1, [varint_field(1, element), shape])
    return [bytes_field(1, [name.encode()]), bytes_field(2, [tensor])]


OPERATORS = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul")
# As the field lies in a node, and in the nodes of a graph within it.
_SAID = tuple(bytes_field(OP_TYPE, [name]) for name in OPERATORS)


def depends_on_batch(path: Path) -> bool:
    """Whether inputs have to be run one at a time. Weights are stepped over, not read."""
    with path.open("rb") as file:
        model = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return any(
            said in bytes(node.data)
            for graph in fields(model)
            if graph.number == GRAPH
            for node in fields(graph.data)
            if node.number == NODE
            for said in _SAID
        )
    except Malformed:
        # What is not understood is run in the way that is never wrong.
        return True


MOST_THREADS = 4
Session: TypeAlias = onnxruntime.InferenceSession
ELEMENTS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class OnnxSession:
    """One graph with one output; `run` may be called from several threads."""

    def __init__(self, path: Path, inputs: list[str], output: str, threads: int | None) -> None:
        """Load the graph; raises ConfigurationError where it is not as the manifest says."""
        self._output = output
        try:
            self._session = open_session(path, threads)
        except Exception as error:  # onnxruntime raises its own classes, straight from C++
            raise _wrong(f"{path} cannot be loaded: {error}") from error
        takes = sorted(node.name for node in self._session.get_inputs())
        if takes != sorted(inputs):
            raise _wrong(f"{path} has the inputs {takes}, not {sorted(inputs)}")
        self._elements = {node.name: _element(path, node) for node in self._session.get_inputs()}
        gives = [node.name for node in self._session.get_outputs()]
        if output not in gives:
            raise _wrong(f"{path} has the outputs {gives}, and not {output!r}")
        self._solitary = depends_on_batch(path)

    def max_batch_size(self, wanted: int) -> int:
        """How many inputs a run may have, so that none changes another's vector."""
        return 1 if self._solitary else wanted

    def run(self, feed: dict[str, NDArray[Any]]) -> Embedding:
        """The output as float32; the inputs are given as the graph wants them."""
        fitting = {
            name: values.astype(self._elements[name], copy=False) for name, values in feed.items()
        }
        return np.asarray(self._session.run([self._output], fitting)[0], np.float32)


def _element(path: Path, node: Any) -> type[np.generic]:
    if node.type not in ELEMENTS:
        raise _wrong(f"{path} wants {node.type} as {node.name!r}")
    return ELEMENTS[node.type]


def open_session(
    model: str | Path | bytes,
    threads: int | None = None,
    *,
    options: onnxruntime.SessionOptions | None = None,
) -> Session:
    """An ONNX session on the CPU: the one place in this repository that creates sessions.

    model: a file, or the bytes of an ONNX model. threads: see `session_options`. options: used
    instead of the product's own, by a tool that needs or measures other ones; start from
    `session_options`, because without it int8 products saturate on a CPU without VNNI.
    Raises onnxruntime's own exceptions where the model cannot be loaded.
    """
    chosen = session_options(threads) if options is None else options
    return onnxruntime.InferenceSession(model, chosen, providers=["CPUExecutionProvider"])


def session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """How every graph is run here; `threads` of them, or as many as there are cores up to 4."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan for each shape that was ever seen costs memory and gains no measurable time.
    options.enable_mem_pattern = False
    # Threads that wait by spinning take the core that decodes the next picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not plainly_exact():
        # Makes constant weights unsigned again. On a CPU that needs no such help it does so too,
        # and halves the speed: measured with AVX-512 VNNI.
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


@cache
def plainly_exact() -> bool:
    """Whether this CPU multiplies signed weights exactly without being told to."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return exact_with(partial(open_session, options=options))


@cache
def signed_weights_are_exact() -> bool:
    """Whether every graph's signed weights are multiplied exactly as graphs are run here."""
    return exact_with(partial(open_session, threads=1))


def _wrong(message: str) -> ConfigurationError:
    hint = "the graph and the manifest are not of one model: fetch the model again"
    return ConfigurationError(message, hint, code="invalid_model")


SMALLEST_LENGTH = 1e-12


def normalized(vectors: Embedding) -> tuple[Embedding, NDArray[np.bool_]]:
    """[N, D] with every row L2-normalized, and [N]: which rows have a direction at all.

    A row without one (zero or not finite) has no meaningful values. Lengths are taken in float64:
    the square of a large float32 overflows.
    """
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    good = np.isfinite(lengths) & (lengths > SMALLEST_LENGTH)
    unit = np.divide(wide, lengths, out=np.zeros_like(wide), where=good)
    return unit.astype(np.float32), good[:, 0]
