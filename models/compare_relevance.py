"""Compares ways to tell relevance: fitted on one half of the samples, measured on the other.

python -m models.compare_relevance FOLDER [--plot docs/relevance.svg]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from imagesearch.relevance import Kind
from models.held_out import KEPT_ALIKE, held
from models.relevance_evidence import Evidence, evidence
from models.relevance_methods import METHODS
from models.relevance_vectors import RelevanceVectors, embed_samples

NONSENSE_COLUMN = 5
HEAD = (
    "", "AUC", "kept", "let through", f"let through at {KEPT_ALIKE} % kept", "nonsense",
    "nonsense while choosing",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="compare_relevance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--plot", type=Path, help="an SVG; wants matplotlib")
    asked = parser.parse_args(arguments)
    vectors = embed_samples(asked.folder, asked.samples)
    for kind, sorts in evidence(vectors).items():
        for background in ("labels", "photos"):
            print(f"\n{kind.value}, {background}\n{table(vectors, kind, sorts, background)}")
    if asked.plot:
        # Imported here: matplotlib is no part of what is tested.
        from models.plot_relevance import plot

        plot(vectors, asked.plot)
    return 0


def table(vectors: RelevanceVectors, kind: Kind, sorts: Sequence[Evidence], background: str) -> str:
    """Of several sorts the first one's figures."""
    columns = len(HEAD) if kind is Kind.TEXT else NONSENSE_COLUMN
    rows = [HEAD] + [
        (name, *held(vectors, method, sorts, background).row()) for name, method in METHODS.items()
    ]
    return "\n".join("| " + " | ".join(row[:columns]) + " |" for row in rows)


if __name__ == "__main__":
    raise SystemExit(main())
