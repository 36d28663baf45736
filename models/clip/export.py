"""Exports a CLIP checkpoint of transformers or open_clip as a float32 model folder.

pip install --group export -e .
python -m models.clip.export CHECKPOINT --tokenizer FILE --name NAME --license TEXT --out DIR

CHECKPOINT is a folder of transformers' CLIPModel with config.json and weights, or "MODEL:FILE", an
architecture of open_clip and a file of its weights. The graphs are built from the weights, not
traced, and their embeddings are compared with those of the checkpoint's own code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imagesearch.embedding.manifest import Manifest
from models.clip.checkpoint import Checkpoint, UnfitCheckpointError, read_checkpoint
from models.clip.graphs import build_image_graph, build_text_graph
from models.clip.reference import difference, random_ids, random_pixels, run_graphs
from models.model_folder import clip_manifest, write_folder

SEED, SMALLEST_COSINE = 1, 0.9999


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 2 for an unsupported checkpoint."""
    options = _parser().parse_args(arguments)
    details = {
        "description": options.description or f"{options.name}, float32.",
        "license": options.license,
        "source": options.source or Path(options.checkpoint.rpartition(":")[2]).name,
    }
    try:
        manifest = export(
            read_checkpoint(options.checkpoint),
            options.name,
            details,
            options.tokenizer,
            options.out,
        )
    except UnfitCheckpointError as wrong:
        print(f"models.clip.export: {wrong}", file=sys.stderr)
        return 2
    print(f"{options.out}: {manifest.name}, image space {manifest.image_space}")
    return 0


def export(
    read: Checkpoint, name: str, details: dict[str, str], tokenizer: Path, out: Path
) -> Manifest:
    """Write a folder for `models.quantization.quantize` and `models.evaluation.check_parity`.

    Raises UnfitCheckpointError, and writes nothing, if graphs and checkpoint differ.
    """
    about = clip_manifest(name, read.shape, details)
    about["text"]["pad_token_id"] = read.pad_token_id
    image = build_image_graph(read.shape, read.weights)
    text = build_text_graph(read.shape, read.weights)
    pixels, ids = random_pixels(read.shape, SEED), random_ids(read.shape, SEED)
    expected = read.embed(pixels, ids)
    for tower, vectors in run_graphs(image, text, pixels, ids).items():
        cosine, _ = difference(vectors, expected[tower])
        if not cosine >= SMALLEST_COSINE:
            raise UnfitCheckpointError(f"{tower}: worst cosine to the checkpoint is {cosine:.6f}")
    return write_folder(out, about, image=image, text=text, tokenizer=tokenizer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="models.clip.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--tokenizer", type=Path, required=True, help="the model's tokenizer.json")
    parser.add_argument("--name", required=True)
    parser.add_argument("--license", required=True)
    parser.add_argument("--description")
    parser.add_argument("--source")
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
