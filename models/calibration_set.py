"""Writes the calibration set that ships with the product, from the captioned samples.

python -m models.calibration_set [--samples DIR] [--out DIR]

Photos of up to 384 pixels are copied, larger ones are reduced, because models read 224 to 384
pixels. The queries without a match (`queries.tsv`) are edited by hand. Another version of Pillow
may write other bytes for the reduced photos.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from imagesearch.calibration.calibration_set import (
    DATA,
    LABELS,
    PHOTOS,
    STARTER,
    CalibrationSet,
    read_rows,
    shipped_set,
    unanswerable_queries,
)
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.calibration.retrieval import ranks
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from models.evaluation.metrics import kinds_of
from models.starter.imagenet_labels import label_sentences

LONGEST_SIDE, QUALITY = 384, 90
STARTER_FOLDER = Path("layers/starter_model/starter_model")
COLUMNS = ("path", "sha256", "caption", "kind", "author", "license", "source", "reduced")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="models.calibration_set",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--out", type=Path, default=DATA)
    options = parser.parse_args(arguments)
    write_set(options.samples, options.out)
    found = starter_found(options.out)
    print(f"{directory_bytes(options.out):,} bytes; the starter model finds {found} photos first")
    return 0


def write_set(samples: Path, out: Path) -> None:
    """Write everything except the figures of the starter model."""
    rows = read_rows(samples / "samples.tsv")
    kinds = kinds_of([Path(row["path"]).stem for row in rows])
    out.mkdir(parents=True, exist_ok=True)
    with (out / PHOTOS).open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(
            lines, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n"
        )
        writer.writeheader()
        for row, kind in zip(rows, kinds, strict=True):
            reduced = _write_photo(samples / row["path"], out / row["path"])
            sha256 = hashlib.sha256((out / row["path"]).read_bytes()).hexdigest()
            added = {"kind": str(kind), "sha256": sha256, "reduced": "yes" if reduced else "no"}
            writer.writerow(row | added)
    (out / LABELS).write_text("\n".join(label_sentences()) + "\n", "utf-8")


def starter_found(out: Path) -> int:
    """Measure the starter model with the set, and record the figure in it."""
    (out / STARTER).write_text(json.dumps({"found_first": None}) + "\n", "utf-8")
    photos = shipped_set(out)
    model = OnnxModel(STARTER_FOLDER, load_manifest(STARTER_FOLDER))
    try:
        found = _found_first(model, photos)
    finally:
        model.close()
    figures: Mapping[str, object] = {
        "found_first": found,
        "model": load_manifest(STARTER_FOLDER).image_space,
        "command": "python -m models.calibration_set",
    }
    (out / STARTER).write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return found


def samples_set(samples: Path) -> CalibrationSet:
    """The samples in their full size as a calibration set."""
    rows = read_rows(samples / "samples.tsv")
    return CalibrationSet(
        str(samples),
        [(samples / row["path"]).read_bytes() for row in rows],
        [row["caption"] for row in rows],
        [str(kind) for kind in kinds_of([Path(row["path"]).stem for row in rows])],
        label_sentences(),
        unanswerable_queries(),
    )


def directory_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _found_first(model: OnnxModel, photos: CalibrationSet) -> int:
    embeddings = PhotoEmbeddings(photos.photos, model.images, PillowEditor(), lambda _: None)
    images = embeddings.vectors(range(len(photos.photos)))
    return int((ranks(model.texts.encode_texts(photos.captions), images) == 0).sum())


def _write_photo(source: Path, target: Path) -> bool:
    """True if the photo was reduced."""
    target.parent.mkdir(exist_ok=True)
    with Image.open(source) as picture:
        if max(picture.size) <= LONGEST_SIDE:
            shutil.copyfile(source, target)
            return False
        small = picture.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    small.save(target, "WEBP", quality=QUALITY, method=6)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
