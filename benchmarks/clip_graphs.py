"""The speed of CLIP ViT-B/32's image tower in every number format, all in one run.

Sessions take turns, so that what else the machine does falls on all of them alike; the ratios are
worth more than the times.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.clip_variants import FLOAT32, sessions
from benchmarks.table import Row
from imagesearch.embedding.sessions import Session
from models.clip_reference import random_pixels
from models.clip_shape import VIT_B_32
from models.parity import cosines
from models.quantise import Floats

TITLE = "CLIP ViT-B/32 image tower, random weights"
BATCHES, ROUNDS, MOST_PICTURES = (1, 4, 8), 7, 8
Times = dict[str, list[float]]


def measure() -> Iterator[Row]:
    # Its advice is for graphs that were exported, not built.
    logging.disable(logging.WARNING)
    threads = os.cpu_count() or 1
    pixels = np.concatenate([random_pixels(VIT_B_32, seed) for seed in (0, 1)])
    graphs = dict(sessions(threads))
    spent = {
        batch: _in_turns({name: _run(graph, pixels[:batch]) for name, graph in graphs.items()})
        for batch in BATCHES
    }
    exact = _vectors(graphs[FLOAT32], pixels, MOST_PICTURES)
    for name, graph in graphs.items():
        yield Row(name, _speeds(name, spent), _faithfulness(graph, pixels, exact))


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
