"""Builds a folder with CLIP ViT-B/32's graphs and random weights: its speed is CLIP's speed.

python -m models.clip.build_random --tokenizer FILE --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

from imagesearch.embedding.manifest import Manifest
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.weights import VIT_B_32, ClipShape, random_weights
from models.model_folder import clip_manifest, write_folder

SAID = {
    "description": "CLIP's graphs with random weights: for measuring speed, finds nothing.",
    "license": "Apache-2.0",
    "source": "made by models/clip/build_random.py",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.clip.build_random", description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True, help="CLIP's tokenizer.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(build(VIT_B_32, asked.tokenizer, asked.out, asked.seed).image_space)


def build(
    shape: ClipShape, tokenizer: Path, out: Path, seed: int, *, fused: bool = True
) -> Manifest:
    weights = random_weights(shape, seed)
    return write_folder(
        out,
        clip_manifest("random-clip", shape, SAID),
        image=build_image_graph(shape, weights, fused=fused),
        text=build_text_graph(shape, weights, fused=fused),
        tokenizer=tokenizer,
    )


if __name__ == "__main__":
    main()
