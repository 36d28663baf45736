"""Load time, memory and latency of a model folder's two graphs, each in a process of its own.

python -m models.measure_speed layers/starter_model/starter_model
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from imagesearch.embedding.sessions import open_session

TOKENS, SIZE, THREADS, RUNS = 8, 260, 2, 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="measure_speed", description=__doc__)
    parser.add_argument("graphs", type=Path, nargs="+", help="a model folder, or single graphs")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for graph in asked.graphs:
        if graph.is_dir():
            _in_own_processes([graph / "image.onnx", graph / "text.onnx"])
        elif asked.one:
            print(measure(graph))
        else:
            _in_own_processes([graph])


def measure(graph: Path) -> str:
    before = _peak_megabytes()
    start = time.perf_counter()
    loaded = open_session(graph, THREADS)
    load = 1000 * (time.perf_counter() - start)
    outputs = [loaded.get_outputs()[0].name]
    figures = []
    for name, feeds in _inputs({given.name for given in loaded.get_inputs()}).items():
        taken = _median_milliseconds(partial(loaded.run, outputs, feeds))
        figures.append(f"{name} {taken:.1f} ms")
    grown = _peak_megabytes() - before
    return f"{graph.name}: load {load:.0f} ms, memory +{grown:.0f} MB, {', '.join(figures)}"


def _inputs(names: set[str]) -> dict[str, dict[str, np.ndarray]]:
    if "pixel_values" in names:
        pixels = np.random.default_rng(0).uniform(-1, 1, (8, 3, SIZE, SIZE)).astype(np.float32)
        return {f"batch of {n}": {"pixel_values": pixels[:n]} for n in (1, 8)}
    ids = np.arange(2000, 2000 + TOKENS)[None]
    return {f"{TOKENS} tokens": {"input_ids": ids, "attention_mask": np.ones_like(ids)}}


def _median_milliseconds(run: Callable[[], object]) -> float:
    run()
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def _in_own_processes(graphs: list[Path]) -> None:
    """Peak memory never falls within a process, so each graph gets a fresh one."""
    for graph in graphs:
        subprocess.run([sys.executable, "-m", "models.measure_speed", "--one", graph], check=True)  # noqa: S603


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
