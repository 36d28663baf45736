"""ONNX graphs, run on the CPU of a small function."""

from __future__ import annotations

import os
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.images import Embedding
from imagesearch.embedding.company import needs_solitude
from imagesearch.embedding.signed_arithmetic import exact_with

MOST_THREADS = 4
Session: TypeAlias = onnxruntime.InferenceSession
ELEMENTS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class Graph:
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
        self._solitary = needs_solitude(path)

    def at_a_time(self, wanted: int) -> int:
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
