"""Draws how relevance parts right from wrong, next to other ways, into an SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from imagesearch.relevance import Kind
from models.calibrate_relevance import backgrounds_of
from models.held_out import held
from models.relevance_evidence import caption_evidence
from models.relevance_figures import Judged, halves, judged, nonsense
from models.relevance_methods import METHODS
from models.relevance_vectors import RelevanceVectors
from models.unanswerable_queries import REPORTING

SHOWN = {
    "cosine, nearness of 10": ("relevance", "#0b6e4f", 2.2),
    "z-score among the background": ("z-score among the labels", "#7a5ea8", 1.2),
    "z-score among the collection": ("z-score among the collection", "#c8553d", 1.2),
    "cosine": ("cosine alone", "#888888", 1.2),
}
# The same file from the same figures.
STYLE = {"svg.hashsalt": "relevance", "svg.fonttype": "none", "font.size": 9}


def plot(vectors: RelevanceVectors, path: Path) -> None:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _compared(left, vectors)
        _by_least(right, vectors)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _compared(axes: Any, vectors: RelevanceVectors) -> None:
    """What is kept against what is let through, as the bar is lowered."""
    for name, (label, colour, width) in SHOWN.items():
        found = held(vectors, METHODS[name], [caption_evidence(vectors)], "labels").answers
        bars = np.sort(found.relevance[found.right])
        kept = [found.kept(bar) for bar in bars]
        axes.plot(
            [found.let_through(bar) for bar in bars], kept, color=colour, lw=width, label=label
        )
    axes.set(
        xlim=(0, 12), ylim=(40, 100), xlabel="other photos let through, of 84",
        ylabel="right photos kept, %", title="captions, held out",
    )  # fmt: skip
    axes.legend(frameon=False, loc="lower right")
    axes.grid(alpha=0.25)


def _by_least(axes: Any, vectors: RelevanceVectors) -> None:
    """What each `min_relevance` does."""
    trials = halves(vectors, backgrounds_of(vectors))
    text = judged(caption_evidence(vectors), Kind.TEXT, vectors.photos, trials)
    noise: Judged = nonsense(vectors, REPORTING, trials)
    least = np.linspace(0.01, 0.99, 99)
    axes.plot(least, [text.kept(at) for at in least], color="#0b6e4f", lw=2.2, label="kept, %")
    axes.set(xlim=(0, 1), ylim=(0, 100), xlabel="min_relevance", ylabel="right photos kept, %")
    others = axes.twinx()
    through = [text.let_through(at) for at in least]
    others.plot(least, through, color="#c8553d", lw=1.4, label="other photos")
    others.plot(
        least,
        [noise.let_through(at) for at in least],
        color="#7a5ea8",
        lw=1.4,
        label="for nonsense",
    )
    others.set(ylim=(0, 20), ylabel="photos let through for a query")
    axes.axvline(0.5, color="#888888", lw=0.8, ls=":")
    lines = [*axes.get_lines()[:1], *others.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines], frameon=False, loc="upper right")
    axes.set_title("what min_relevance does")
