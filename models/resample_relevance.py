"""How much the held-out figures owe to the halves: the same for random halves of the samples.

python -m models.resample_relevance FOLDER [--times 20]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.calibrate_relevance import backgrounds_of, figure_faults
from models.relevance_figures import Figures, held_out
from models.relevance_vectors import RelevanceVectors, embed_samples


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="resample_relevance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args(arguments)
    print(table(resampled(embed_samples(asked.folder, asked.samples), asked.times)))
    return 0


def resampled(vectors: RelevanceVectors, times: int) -> list[Figures]:
    """Of random halves, the same ones every time; each photo is in one half or the other."""
    backgrounds, count = backgrounds_of(vectors), len(vectors.photos)
    orders = [np.random.default_rng(seed).permutation(count) for seed in range(times)]
    return [held_out(vectors, backgrounds, order < count // 2) for order in orders]


def table(found: Sequence[Figures]) -> str:
    """Means with the lowest and highest, and how many halvings reach every target."""
    rows: list[tuple[str, ...]] = [("random halves", "mean", "lowest", "highest")]
    for name in found[0].as_manifest():
        values = [one.as_manifest()[name] for one in found]
        shown = (float(np.mean(values)), min(values), max(values))
        rows.append((name.replace("_", " "), *(f"{value:.4g}" for value in shown)))
    reached = sum(not figure_faults("", one) for one in found)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, f"every target is reached in {reached} of {len(found)}"])


if __name__ == "__main__":
    raise SystemExit(main())
