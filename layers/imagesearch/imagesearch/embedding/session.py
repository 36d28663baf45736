"""ONNX sessions on the CPU, and the numerical properties of graphs and CPUs that matter to them.

Saturation: on a CPU without VNNI, the kernel for signed 8-bit weights adds two products in 16 bits,
which saturates for large values unless the session is configured to avoid that kernel.

Batch dependence: DynamicQuantizeLinear computes one scale for its whole input, so that the rounding
of one image depends on the others of its batch, and that of a text on its padding.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from imagesearch.domain.errors import ConfigurationError, ImageSearchError, Unavailable
from imagesearch.domain.images import Embedding
from imagesearch.embedding.cores import usable_cores
from imagesearch.embedding.int8_weights import GRAPH, NODE, OP_TYPE
from imagesearch.embedding.protobuf import Malformed, bytes_field, fields, varint_field

_MAX_CORES = 4
Session: TypeAlias = onnxruntime.InferenceSession
Shape: TypeAlias = Sequence[int | str | None]
_ELEMENT_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}
_OPERATORS = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul")
# The encoded op_type field of a node, also of nodes in its subgraphs.
_OPERATOR_FIELDS = tuple(bytes_field(OP_TYPE, [name]) for name in _OPERATORS)
_DEPTH, _WIDTH = 64, 64
_UINT8, _INT8, _INT32 = 2, 3, 6
_MIN_LENGTH = 1e-12
# Such as `[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from image.onnx failed:`.
_CODES = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?")
# Of the arena of onnxruntime, and of C++. The codes are those of an invalid graph.
_OUT_OF_MEMORY = re.compile("Failed to allocate memory|bad allocation|bad_alloc")


class OnnxSession:
    """A graph of which one output is used; `run` may be called from several threads."""

    def __init__(
        self,
        path: Path,
        inputs: list[str],
        output: str,
        threads: int | None,
        *,
        spin_microseconds: int = 0,
    ) -> None:
        """Load the graph; raises ConfigurationError if it does not match the manifest.

        threads, spin_microseconds: see `session_options`.

        Raises Unavailable if the memory does not suffice.
        """
        self._path, self._output = path, output
        try:
            options = session_options(threads, spin_microseconds)
            self._session = open_session(path, options=options)
        except Exception as error:  # onnxruntime raises its own classes, straight from C++
            raise _failure(f"{path} cannot be loaded", error) from error
        actual = sorted(node.name for node in self._session.get_inputs())
        if actual != sorted(inputs):
            raise _invalid(f"{path} has the inputs {actual}, not {sorted(inputs)}")
        self._element_types = {
            node.name: _element_type(path, node) for node in self._session.get_inputs()
        }
        outputs = [node.name for node in self._session.get_outputs()]
        if output not in outputs:
            raise _invalid(f"{path} has the outputs {outputs}, not {output!r}")
        self._depends_on_batch = depends_on_batch(path)

    def input_shape(self, name: str) -> Shape:
        """The shape of an input: a number of each fixed axis, a name or None of the others."""
        return next(node.shape for node in self._session.get_inputs() if node.name == name)

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, like that of an input; empty if the graph does not state it."""
        nodes = self._session.get_outputs()
        return next(node.shape for node in nodes if node.name == self._output) or []

    def max_batch_size(self, preferred: int) -> int:
        """The largest batch size in which no input affects the vector of another."""
        return 1 if self._depends_on_batch else preferred

    def run(self, feed: dict[str, NDArray[Any]]) -> Embedding:
        """Run the graph; converts the inputs to its element types and the output to float32.

        Raises ConfigurationError if the graph rejects the inputs, such as token IDs outside of its
        vocabulary or images of another size. Raises Unavailable if the memory does not suffice.
        """
        converted = {
            name: values.astype(self._element_types[name], copy=False)
            for name, values in feed.items()
        }
        try:
            (output,) = self._session.run([self._output], converted)
        except Exception as error:  # see above
            raise _failure(f"{self._path} cannot be run", error) from error
        return np.asarray(output, np.float32)

    def require_shape(self, vectors: Embedding, count: int, dimension: int) -> None:
        """Raises ConfigurationError for vectors that are not [count, dimension]."""
        if vectors.shape != (count, dimension):
            raise _invalid(
                f"{self._path}: {self._output!r} has the shape {list(vectors.shape)} instead of"
                f" {[count, dimension]}"
            )


def _element_type(path: Path, node: Any) -> type[np.generic]:
    if node.type not in _ELEMENT_TYPES:
        raise _invalid(f"{path} requires the unsupported type {node.type} for {node.name!r}")
    return _ELEMENT_TYPES[node.type]


def open_session(
    model: str | Path | bytes,
    threads: int | None = None,
    *,
    options: onnxruntime.SessionOptions | None = None,
) -> Session:
    """Create an ONNX session on the CPU; all sessions of this repository are created here.

    model: a path, or the bytes of an ONNX model.
    threads: see `session_options`.
    options: for tools that measure other options; should be derived from `session_options`, because
        otherwise int8 products saturate on a CPU without VNNI.

    Raises the exceptions of onnxruntime if the model cannot be loaded.
    """
    chosen = session_options(threads) if options is None else options
    return onnxruntime.InferenceSession(model, chosen, providers=["CPUExecutionProvider"])


def session_cores() -> int:
    """The number of cores that the runs of a session use, alone or together."""
    return min(usable_cores(), _MAX_CORES)


def session_options(threads: int | None, spin_microseconds: int = 0) -> onnxruntime.SessionOptions:
    """The options of every session.

    threads: by default `session_cores`.
    spin_microseconds: how long a thread keeps its core while it waits for the others of its run, on
        a CPU without VNNI; with VNNI, the products are too short for a gain. By default it does
        not, so that another run or a decoder can use the core.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or session_cores()
    options.inter_op_num_threads = 1
    # Errors are raised, so that the runtime need not print them, too.
    options.log_severity_level = 4
    # Memory patterns of each input shape use memory and save no measurable time.
    options.enable_mem_pattern = False
    has_vnni = plainly_exact()
    spin = 0 if has_vnni else spin_microseconds
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin > 0)))
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(spin))
    if not has_vnni:
        # Converts constant weights to unsigned. Not set on other CPUs, because it halves the speed
        # (measured with AVX-512 VNNI).
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


@cache
def plainly_exact() -> bool:
    """True if this CPU multiplies signed weights exactly with default options."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return exact_with(partial(open_session, options=options))


@cache
def signed_weights_are_exact() -> bool:
    """True if this CPU multiplies signed weights exactly with `session_options`."""
    return exact_with(partial(open_session, threads=1))


def normalized(vectors: Embedding) -> tuple[Embedding, NDArray[np.bool_]]:
    """The rows L2-normalized, [N, D] float32, and a mask [N] of the rows that are usable.

    Rows of length 0 and rows with values that are not finite are unusable. Lengths are computed in
    float64, because the square of a large float32 overflows.
    """
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    good = np.isfinite(lengths) & (lengths > _MIN_LENGTH)
    unit = np.divide(wide, lengths, out=np.zeros_like(wide), where=good)
    return unit.astype(np.float32), good[:, 0]


def depends_on_batch(path: Path) -> bool:
    """True if a vector depends on other inputs of its batch; also if the graph cannot be parsed.

    Reads the nodes of the graph and skips its weights.
    """
    with path.open("rb") as file:
        model = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return any(
            operator in bytes(node.data)
            for graph in fields(model)
            if graph.number == GRAPH
            for node in fields(graph.data)
            if node.number == NODE
            for operator in _OPERATOR_FIELDS
        )
    except Malformed:
        return True


def exact_with(open_model: Callable[[bytes], Any]) -> bool:
    """True if products of the largest 8-bit values are exact.

    open_model: creates an onnxruntime session, with the options under test, from a model's bytes.
    """
    for weight in (127, -128):
        session = open_model(_multiplication(weight))
        for rows in (1, 2, 50):
            left = np.full((rows, _DEPTH), 255, np.uint8)
            (product,) = session.run(None, {"left": left})
            if not np.array_equal(product, np.full((rows, _WIDTH), _DEPTH * 255 * weight)):
                return False
    return True


def _multiplication(weight: int) -> bytes:
    """An ONNX model that multiplies `left` [N, M] uint8 by a constant [M, K] int8."""
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
        bytes_field(5, _constant("right", np.full((_DEPTH, _WIDTH), weight, np.int8))),
        bytes_field(11, _value("left", _UINT8)),
        bytes_field(12, _value("product", _INT32)),
    ]
    opset = bytes_field(8, [varint_field(2, 17)])
    return b"".join([varint_field(1, 8), bytes_field(7, graph), opset])


def _constant(name: str, values: NDArray[np.int8]) -> list[bytes]:
    """The fields of a TensorProto."""
    sides = [varint_field(1, side) for side in values.shape]
    named = bytes_field(8, [name.encode()])
    return [*sides, varint_field(2, _INT8), named, bytes_field(9, [values.tobytes()])]


def _value(name: str, element: int) -> list[bytes]:
    """The fields of a ValueInfoProto for a matrix of this element type."""
    shape = bytes_field(2, [bytes_field(1, [bytes_field(2, [side])]) for side in (b"a", b"b")])
    tensor = bytes_field(1, [varint_field(1, element), shape])
    return [bytes_field(1, [name.encode()]), bytes_field(2, [tensor])]


def _failure(what: str, error: Exception) -> ImageSearchError:
    """The error for an exception of onnxruntime; memory may suffice later."""
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return Unavailable(f"{what}: the memory does not suffice", "free memory, or add some")
    return _invalid(f"{what}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """The first line of a message of onnxruntime, without its codes."""
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return _CODES.sub("", first)


def _invalid(message: str) -> ConfigurationError:
    hint = "download the model again: the graph and the manifest are not of the same model"
    return ConfigurationError(message, hint, code="invalid_model")


def contradiction(message: str, hint: str) -> ConfigurationError:
    """The error for a manifest that contradicts a graph."""
    return ConfigurationError(message, hint, "invalid_model")
