"""The parity gate: rejects a model folder that differs too much from its float32 original.

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

from imagesearch.calibration.parity import (
    QUANTIZED,
    Limits,
    Parity,
    ParityError,
    compare,
    faults,
    refuse,
    vectors_alone,
)
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.manifest import MANIFEST, load_manifest
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from models import Floats
from models.evaluation.samples import Captioned, read_captioned, read_samples, vectors_of
from models.starter.build import PREPROCESS, SECOND_BLOCK, image_blocks
from models.starter.image_graph import ImageBlocks
from models.starter.quality import STARTER
from models.starter.reference import Reference, image_embeddings
from models.starter.sources import SourceError, find_sources

PROGRAM = "models.evaluation.check_parity"
COMMAND = f"python -m {PROGRAM}"
_FIGURES = [field.name for field in fields(Limits) if field.name != "recall"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 accepted, 1 rejected with all reasons, 2 invalid folders.

    With --write the figures of an accepted model are written to its manifest's `quality`.
    """
    options = _parser().parse_args(arguments)
    try:
        found = _measured(options)
        print(json.dumps(found.as_manifest(), indent=2))
        refuse(faults(found, _limits(options)))
    except (ImageSearchError, SourceError) as wrong:
        print(f"{PROGRAM}: {wrong}", file=sys.stderr)
        return 2
    except ParityError as unfit:
        print(f"{PROGRAM}: {options.folder}: {unfit}", file=sys.stderr)
        return 1
    if options.write:
        write_quality(options.folder, found)
    return 0


def write_quality(folder: Path, found: Parity) -> None:
    """Add the figures to those in the manifest; the embedding space does not change."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    figures = found.as_manifest() | {"command": COMMAND}
    manifest["quality"] = (manifest.get("quality") or {}) | figures
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _measured(options: argparse.Namespace) -> Parity:
    captioned = read_captioned(options.samples)
    shipped = vectors_of(options.folder, captioned)
    if options.starter_sources:
        return compare(shipped, *_starter(options.starter_sources, options.samples))
    return compare(shipped, *_float32(options.against, captioned))


def _float32(folder: Path, captioned: Captioned) -> tuple[Floats, Floats]:
    model = OnnxModel(folder, load_manifest(folder))
    try:
        return vectors_alone(model.images, model.texts, captioned.pictures, captioned.captions)
    finally:
        model.close()


def _starter(sources: Path, samples: Path) -> tuple[Floats, Floats]:
    """The reference of the starter model, which has no float32 folder, from its sources."""
    found, photos = find_sources(sources), read_samples(samples)
    reference = Reference(found)
    blocks: ImageBlocks = image_blocks(found, reference)
    words = reference.words(photos.captions)
    images = image_embeddings(*reference.classify(photos.pictures, PREPROCESS), blocks)
    return images, np.pad(words, ((0, 0), (0, SECOND_BLOCK)))


def _limits(options: argparse.Namespace) -> Limits:
    """The limits of the kind of model, overridden by the options."""
    kind = STARTER if options.starter_sources else QUANTIZED
    given = {
        name: getattr(options, name) for name in _FIGURES if getattr(options, name) is not None
    }
    return Limits(**({field.name: getattr(kind, field.name) for field in fields(Limits)} | given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    original = parser.add_mutually_exclusive_group(required=True)
    original.add_argument(
        "--against", type=Path, help="the float32 folder that it was quantized from"
    )
    original.add_argument("--starter-sources", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--write", action="store_true", help="write the figures to the manifest")
    for name in _FIGURES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="LIMIT")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
