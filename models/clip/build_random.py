"""Builds a model folder of CLIP ViT-B/32 with random weights, to measure speed.

python -m models.clip.build_random --tokenizer FILE --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

from imagesearch.embedding.manifest import Manifest
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.weights import VIT_B_32, ClipShape, random_weights
from models.model_folder import clip_manifest, write_folder

DETAILS = {
    "description": "CLIP's graphs with random weights, to measure speed: results are meaningless.",
    "license": "Apache-2.0",
    "source": "made by models/clip/build_random.py",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.clip.build_random", description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True, help="CLIP's tokenizer.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(build(VIT_B_32, options.tokenizer, options.out, options.seed).image_space)


def build(
    shape: ClipShape, tokenizer: Path, out: Path, seed: int, *, fused: bool = True
) -> Manifest:
    weights = random_weights(shape, seed)
    return write_folder(
        out,
        clip_manifest("random-clip", shape, DETAILS),
        image=build_image_graph(shape, weights, fused=fused),
        text=build_text_graph(shape, weights, fused=fused),
        tokenizer=tokenizer,
    )


if __name__ == "__main__":
    main()
