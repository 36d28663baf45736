"""The parity gate: refuses a model folder that is too far from its float32 original.

python -m models.evaluation.check_parity FOLDER --against FLOAT32_FOLDER [--write]
python -m models.evaluation.check_parity layers/starter_model/starter_model --starter-sources DIR
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.manifest import MANIFEST
from models import Floats
from models.evaluation.parity import STARTER, Limits, Parity, ParityError, compare, faults, refuse
from models.evaluation.samples import Captioned, read_captioned, read_samples, vectors_of
from models.starter.build import PREPROCESS, SECOND_BLOCK, image_blocks
from models.starter.image_graph import ImageBlocks
from models.starter.reference import Reference, image_embeddings
from models.starter.sources import SourceError, find_sources

# Rounding to 8 bits costs a CLIP more than the starter model: its limits leave room for it, and
# what recall it has is its training's business.
CLIP = Limits(median_cosine=0.99, worst_cosine=0.97, recall={})
COMMAND = "python -m models.evaluation.check_parity"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 fit, 1 refused with every reason, 2 the folders are not what they should be.

    With --write the figures of a fit model go into its manifest's `quality`.
    """
    asked = _parser().parse_args(arguments)
    try:
        found = _measured(asked)
        print(json.dumps(found.as_manifest(), indent=2))
        refuse(faults(found, _limits(asked)))
    except (ImageSearchError, SourceError) as wrong:
        print(f"check_parity: {wrong}", file=sys.stderr)
        return 2
    except ParityError as unfit:
        print(f"check_parity: {asked.folder} is {unfit}", file=sys.stderr)
        return 1
    if asked.write:
        write_quality(asked.folder, found)
    return 0


def write_quality(folder: Path, found: Parity) -> None:
    """Beside the figures that are there; no vector changes with them, so the space stays."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    figures = found.as_manifest() | {"command": COMMAND}
    manifest["quality"] = (manifest.get("quality") or {}) | figures
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _measured(asked: argparse.Namespace) -> Parity:
    captioned = read_captioned(asked.samples)
    shipped = vectors_of(asked.folder, captioned)
    if asked.starter_sources:
        return compare(shipped, *_starter(asked.starter_sources, asked.samples))
    return compare(shipped, *_float32(asked.against, captioned))


def _float32(folder: Path, captioned: Captioned) -> tuple[Floats, Floats]:
    exact = vectors_of(folder, captioned)
    return exact.images_alone, exact.texts_alone


def _starter(sources: Path, samples: Path) -> tuple[Floats, Floats]:
    """The starter model has no float32 folder: its reference is computed from its sources."""
    found, photos = find_sources(sources), read_samples(samples)
    reference = Reference(found)
    blocks: ImageBlocks = image_blocks(found, reference)
    words = reference.words(photos.captions)
    images = image_embeddings(*reference.classify(photos.pictures, PREPROCESS), blocks)
    return images, np.pad(words, ((0, 0), (0, SECOND_BLOCK)))


def _limits(asked: argparse.Namespace) -> Limits:
    """The model's kind decides, then what was said."""
    kind = STARTER if asked.starter_sources else CLIP
    said = {name: getattr(asked, name) for name in _FIGURES if getattr(asked, name) is not None}
    return Limits(**({field.name: getattr(kind, field.name) for field in fields(Limits)} | said))


_FIGURES = [field.name for field in fields(Limits) if field.name != "recall"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="models.evaluation.check_parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    original = parser.add_mutually_exclusive_group(required=True)
    original.add_argument("--against", type=Path, help="the folder it was quantised from")
    original.add_argument("--starter-sources", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--write", action="store_true", help="keep the figures in the manifest")
    for name in _FIGURES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="LIMIT")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
