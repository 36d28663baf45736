"""Downloads CLIP in int8 and float32, and compares their quality with each other and with
published figures.

python -m models.clip.verify [--samples FOLDER] [--cache FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from imagesearch.calibration.parity import QUANTIZED, Parity, compare, faults
from imagesearch.calibration.retrieval import CUTS, Recall
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.model_catalog import CatalogEntry, catalog_entry
from local.errors import UsageError
from local.models import Puller, models_cache
from local.output import download_progress
from models.evaluation.samples import read_captioned, vectors_of

# CLIP ViT-B/32 in float32, in percent: `ViT-B-32,openai` in docs/openclip_retrieval_results.csv
# (image retrieval) and docs/openclip_results.csv of https://github.com/mlfoundations/open_clip.
RETRIEVAL: dict[str, Recall] = {
    "Flickr30k, 1,000 photos": {"R@1": 58.8, "R@5": 83.6, "R@10": 90.0},
    "COCO, 5,000 photos": {"R@1": 30.4, "R@5": 55.9, "R@10": 66.9},
}
ZERO_SHOT_IMAGENET = 63.3  # top-1
SHIPPED, ORIGINAL = "clip-vit-b-32", "clip-vit-b-32-fp32"
Catalog = Callable[[str], CatalogEntry]


def main(arguments: Sequence[str] | None = None, catalog: Catalog = catalog_entry) -> int:
    """Exit status: 0 accepted, 1 rejected with all reasons, 2 the download failed."""
    options = _parser().parse_args(arguments)
    try:
        folders = [_pull(catalog(name), options.cache) for name in (SHIPPED, ORIGINAL)]
        found = _measure(options.samples, folders)
    except (ImageSearchError, UsageError) as wrong:
        hint = getattr(wrong, "hint", "")
        print(f"models.clip.verify: {wrong}{hint and f'; {hint}'}", file=sys.stderr)
        return 2
    print("\n".join(_table(found)))
    unfit = faults(found, QUANTIZED)
    for fault in unfit:
        print(f"models.clip.verify: {fault}", file=sys.stderr)
    return 1 if unfit else 0


def _pull(model: CatalogEntry, cache: Path) -> Path:
    with download_progress(Console(stderr=True)) as watch:
        return Puller(cache, watch).pull(model)


def _measure(samples: Path, folders: Sequence[Path]) -> Parity:
    captioned = read_captioned(samples)
    shipped, original = (vectors_of(folder, captioned) for folder in folders)
    return compare(shipped, original.images_alone, original.texts_alone)


def _table(found: Parity) -> Iterator[str]:
    cuts = [f"R@{cut}" for cut in CUTS]
    yield f"| text → image, percent | {' | '.join(cuts)} |"
    yield "| --- |" + " --- |" * len(cuts)
    yield _row(f"{SHIPPED}, {found.photos} samples", found.text_to_image)
    yield _row(f"{ORIGINAL}, {found.photos} samples", found.text_to_image_float32)
    for name, recall in RETRIEVAL.items():
        yield _row(f"published, float32, {name}", recall)
    yield ""
    yield "| int8 against float32 | image | text |"
    yield "| --- | --- | --- |"
    near = (found.image_cosine_to_float32, found.text_cosine_to_float32)
    yield "| cosine, median / worst | " + " | ".join(f"{c.median} / {c.worst}" for c in near) + " |"
    alone = (found.image_cosine_alone_to_batch, found.text_cosine_alone_to_batch)
    yield f"| cosine alone to batch, worst | {alone[0].worst} | {alone[1].worst} |"
    kept = (found.image_to_image_top10_overlap, found.text_to_image_top10_overlap)
    yield f"| overlap of the first 10, percent | {kept[0]} | {kept[1]} |"
    yield ""
    yield f"Published, float32, zero-shot ImageNet: {ZERO_SHOT_IMAGENET} % top-1."


def _row(name: str, recall: Recall) -> str:
    return f"| {name} | {' | '.join(str(recall[f'R@{cut}']) for cut in CUTS)} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="models.clip.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--cache", type=Path, default=models_cache(os.environ))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
