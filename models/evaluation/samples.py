"""The captioned sample photos, and their embeddings by the product's encoders."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import IMAGE_BATCH_SIZE, OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import TEXT_BATCH_SIZE, OnnxTextEncoder
from models import Floats
from models.evaluation.reference_pipeline import open_picture

Item = TypeVar("Item")
# An outlier, which dominates quantization scales that are computed over a batch.
OUTLIER_TEXT = "! " * 60 + "zzz qqq 0000000 lorem ipsum " * 4


@dataclass(frozen=True)
class Captioned:
    """Image files with their captions."""

    pictures: list[bytes]
    captions: list[str]


@dataclass(frozen=True)
class Vectors:
    """All [N, D], normalized: embedded in batches with outliers, and one by one."""

    images: Floats
    texts: Floats
    images_alone: Floats
    texts_alone: Floats


def read_captioned(folder: Path) -> Captioned:
    with (folder / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    pictures = [(folder / row["path"]).read_bytes() for row in rows]
    return Captioned(pictures, [row["caption"] for row in rows])


def vectors_of(folder: Path, captioned: Captioned) -> Vectors:
    """Raises ConfigurationError for a folder that does not match its manifest."""
    manifest = load_manifest(folder)
    texts = OnnxTextEncoder(folder, manifest)
    images = OnnxImageEncoder(folder, manifest)

    def embed(pictures: Sequence[bytes]) -> Floats:
        return np.stack([_vector(encoded) for encoded in images.encode_images(pictures)])

    try:
        return Vectors(
            _in_batches(embed, captioned.pictures, outlier_image(), IMAGE_BATCH_SIZE),
            _in_batches(texts.encode_texts, captioned.captions, OUTLIER_TEXT, TEXT_BATCH_SIZE),
            _in_batches(embed, captioned.pictures, None, 1),
            _in_batches(texts.encode_texts, captioned.captions, None, 1),
        )
    finally:
        images.close()


def outlier_image() -> bytes:
    """Black and white noise, PNG."""
    noise = np.random.default_rng(0).integers(0, 2, (256, 256, 3), np.uint8) * np.uint8(255)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def _in_batches(
    embed: Callable[[Sequence[Item]], Floats],
    items: Sequence[Item],
    outlier: Item | None,
    batch: int,
) -> Floats:
    """Embeds in batches that contain the outlier, whose vector is dropped."""
    outliers = [] if outlier is None else [outlier]
    step = batch - len(outliers)
    starts = range(0, len(items), step)
    chunks = (items[start : start + step] for start in starts)
    return np.concatenate([embed([*chunk, *outliers])[: len(chunk)] for chunk in chunks])


def _vector(encoded: EncodedImage | UnreadableImage) -> Floats:
    if isinstance(encoded, UnreadableImage):
        raise encoded
    return encoded.embedding


@dataclass(frozen=True)
class Samples:
    """Photos with caption, folder and file stem."""

    pictures: list[Image.Image]
    captions: list[str]
    folders: npt.NDArray[np.str_]
    stems: list[str]


def read_samples(folder: Path) -> Samples:
    with (folder / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    paths = [folder / row["path"] for row in rows]
    return Samples(
        pictures=[open_picture(path) for path in paths],
        captions=[row["caption"] for row in rows],
        folders=np.array([path.parent.name for path in paths]),
        stems=[path.stem for path in paths],
    )
