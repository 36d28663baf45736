"""Builds the starter model's folder from its sources, measures it, and refuses it if it is unfit.

python -m models.starter.build --sources DIR --out layers/starter_model/starter_model
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models.evaluation.parity import ParityError, refuse
from models.relevance.calibrate import Calibrated, calibrate
from models.relevance.calibrate import faults as relevance_faults
from models.relevance.calibrate import table as relevance_table
from models.relevance.fit import NothingToFit
from models.relevance_vectors import embed_samples
from models.samples import read_samples
from models.starter.quality import Quality, faults, measure
from models.starter.reference import Reference
from models.starter.sources import SourceError, Sources, find_sources
from models.starter_manifest import write_manifest
from models.starter_model import PREPROCESS, image_blocks, write_graphs

DEFAULT_SOURCES = Path("../shared/models")
DEFAULT_OUT = Path("layers/starter_model/starter_model")
DEFAULT_SAMPLES = Path("samples")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 built, 1 not fit to ship, 2 the sources are not what they should be."""
    asked = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as exported:
            sources = _sources(asked, Path(exported))
            quality, calibrated = build(sources, asked.samples, asked.out)
    except SourceError as wrong:
        print(f"build_starter_model: {wrong}", file=sys.stderr)
        return 2
    except (NothingToFit, ParityError) as unfit:
        print(f"build_starter_model: {unfit}", file=sys.stderr)
        return 1
    print(table(quality, asked.out), relevance_table(calibrated), sep="\n\n")
    return 0


def build(sources: Sources, samples: Path, out: Path) -> tuple[Quality, Calibrated]:
    """Raises ParityError or NothingToFit, and then leaves `out` as it was."""
    reference = Reference(sources)
    blocks = image_blocks(sources, reference)
    with tempfile.TemporaryDirectory() as staging:
        folder = Path(staging)
        write_graphs(sources, blocks, folder)
        quality = measure(folder, PREPROCESS, read_samples(samples), reference, blocks)
        write_manifest(folder, PREPROCESS, quality.as_manifest())
        calibrated = calibrate(folder, embed_samples(folder, samples))
        refuse(faults(quality, folder) + relevance_faults(calibrated))
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            shutil.copyfile(file, out / file.name)
    return quality, calibrated


def table(quality: Quality, folder: Path) -> str:
    """The figures as the README shows them."""
    rows: list[tuple[str, ...]] = [("", "float32", "shipped", "first block alone")]
    words = (
        quality.text_to_image_float32,
        quality.text_to_image,
        quality.text_to_image_first_block_alone,
    )
    rows += [(f"text → image {cut}", *(str(figures[cut]) for figures in words)) for cut in words[0]]
    pictures = quality.image_to_image, quality.image_to_image_first_block_alone
    rows += [
        (f"image → image {name}", "", *(str(figures[name]) for figures in pictures))
        for name in pictures[0]
    ]
    for name in ("image", "text"):
        for against in ("to_float32", "alone_to_batch"):
            found = getattr(quality, f"{name}_cosine_{against}")
            said = f"{name} cosine {against}, median / worst".replace("_", " ")
            rows.append((said, "", f"{found.median} / {found.worst}", ""))
    sizes = ((file.name, file.stat().st_size) for file in sorted(folder.iterdir()))
    rows += [(f"{name}, bytes", "", f"{size:,}", "") for name, size in sizes]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _sources(asked: argparse.Namespace, exported: Path) -> Sources:
    if not asked.from_pypi:
        return find_sources(asked.sources)
    # Imported here: torch is needed on this path alone.
    from models.starter.export import export_sources

    export_sources(exported)
    return find_sources(exported, must_be_pinned=False)


def source_options() -> argparse.ArgumentParser:
    """What every tool that starts from the sources asks for."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, default=DEFAULT_SOURCES)
    parser.add_argument("--samples", type=Path, default=DEFAULT_SAMPLES)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = source_options()
    parser.prog, parser.description = "build_starter_model", __doc__
    parser.add_argument("--from-pypi", action="store_true", help="export from the packages")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
