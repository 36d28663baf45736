"""Compares the built CLIP graphs with CLIP of transformers and open_clip, on the same weights.

pip install --group export -e . && python -m models.clip.check_graph [--record FILE]

Weights and inputs are random, from a seed. `--record` stores the embeddings of transformers for the
tiny shape, for a test without torch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from models import Floats
from models.clip.checkpoint import in_open_clip, in_transformers
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.reference import (
    Embeddings,
    Ids,
    described,
    difference,
    random_ids,
    random_pixels,
    run_graphs,
)
from models.clip.weights import TINY, VIT_B_32, ClipShape, Weights, random_weights

SEED = 5
SMALLEST_COSINE, LARGEST_DIFFERENCE = 0.9999, 1e-4
SHAPES = {
    "tiny": TINY,
    "tiny, gelu": replace(TINY, activation="gelu"),
    "ViT-B/32": VIT_B_32,
}
LIBRARIES: dict[str, Callable[[ClipShape, Weights, Floats, Ids], Embeddings]] = {
    "transformers": in_transformers,
    "open_clip": in_open_clip,
}


def main() -> int:
    """Exit status 1 for a difference that exceeds rounding."""
    parser = argparse.ArgumentParser(prog="models.clip.check_graph", description=__doc__)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if options.record:
        options.record.write_text(recorded(TINY), encoding="utf-8")
    print("| shape | against | tower | graph | worst cosine | largest difference |")
    print("| --- | --- | --- | --- | --- | --- |")
    equal = [compare(name, shape) for name, shape in SHAPES.items()]
    return 0 if all(equal) else 1


def compare(name: str, shape: ClipShape) -> bool:
    weights, pixels, ids = random_weights(shape, SEED), random_pixels(shape, SEED), _ids(shape)
    built = {fused: in_onnx(shape, weights, pixels, ids, fused) for fused in (False, True)}
    equal = True
    for library, compute in LIBRARIES.items():
        expected = compute(shape, weights, pixels, ids)
        for fused, found in built.items():
            for tower, vectors in found.items():
                cosine, most = difference(vectors, expected[tower])
                equal &= cosine >= SMALLEST_COSINE and most <= LARGEST_DIFFERENCE
                graph = "fused" if fused else "plain"
                row = (name, library, tower, graph, f"{cosine:.7f}", f"{most:.1e}")
                print("| " + " | ".join(row) + " |", flush=True)
    return equal


def in_onnx(
    shape: ClipShape, weights: Weights, pixels: Floats, ids: Ids, fused: bool
) -> Embeddings:
    """`image_embeds` and `text_embeds` of the built graphs."""
    image = build_image_graph(shape, weights, fused=fused)
    text = build_text_graph(shape, weights, fused=fused)
    return run_graphs(image, text, pixels, ids)


def recorded(shape: ClipShape) -> str:
    """The embeddings of transformers as JSON, with enough digits to restore float32 exactly."""
    weights = random_weights(shape, SEED)
    found = in_transformers(shape, weights, random_pixels(shape, SEED), _ids(shape))
    numbers = {name: vectors.astype(float).round(8).tolist() for name, vectors in found.items()}
    made_by = "python -m models.clip.check_graph --record: transformers' CLIPModel, float32"
    content = {"made_by": made_by, "seed": SEED, "shape": described(shape)} | numbers
    return json.dumps(content) + "\n"


def _ids(shape: ClipShape) -> Ids:
    return random_ids(shape, SEED)


if __name__ == "__main__":
    raise SystemExit(main())
