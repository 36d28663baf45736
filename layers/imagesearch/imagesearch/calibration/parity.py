"""Parity of a quantized model with its float32 original: figures, limits and faults."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

from imagesearch.calibration.retrieval import Recall, recall, top_overlap
from imagesearch.domain.images import Embedding, EncodedImage
from imagesearch.domain.ports import ImageEncoder, TextEncoder


@dataclass(frozen=True)
class Limits:
    """Minimum figures of an accepted model; the defaults are those of a quantized CLIP.

    Recalls and overlaps are in percent, `recall_loss` in points; `recall` is absolute. 8-bit
    rounding costs CLIP more than the starter model.
    """

    median_cosine: float = 0.99
    worst_cosine: float = 0.97
    batch_cosine: float = 0.9999
    # One of 85 photos is 1.2 points: a loss of one is accepted, a loss of two is not.
    recall_loss: float = 2.0
    top10_overlap: float = 90.0
    recall: Recall = field(default_factory=dict)


QUANTIZED = Limits()
# Outliers, which dominate quantization scales that are computed over a batch.
OUTLIER_TEXT = "! " * 60 + "zzz qqq 0000000 lorem ipsum " * 4
_OUTLIER_SIDE = 256
# The batches of the encoders.
_IMAGE_BATCH, _TEXT_BATCH = 4, 16
Item = TypeVar("Item")


@dataclass(frozen=True)
class Vectors:
    """All [N, D], normalized: embedded in batches with outliers, and one by one."""

    images: Embedding
    texts: Embedding
    images_alone: Embedding
    texts_alone: Embedding


def vectors_of(
    images: ImageEncoder, texts: TextEncoder, photos: Sequence[bytes], captions: Sequence[str]
) -> Vectors:
    """Raises UnreadableImage."""

    return Vectors(
        _in_batches(_embed_with(images), photos, outlier_image(), _IMAGE_BATCH),
        _in_batches(texts.encode_texts, captions, OUTLIER_TEXT, _TEXT_BATCH),
        *vectors_alone(images, texts, photos, captions),
    )


def vectors_alone(
    images: ImageEncoder, texts: TextEncoder, photos: Sequence[bytes], captions: Sequence[str]
) -> tuple[Embedding, Embedding]:
    """Photos and captions, embedded one by one: [N, D] each. Raises UnreadableImage."""
    return (
        _in_batches(_embed_with(images), photos, None, 1),
        _in_batches(texts.encode_texts, captions, None, 1),
    )


def _embed_with(images: ImageEncoder) -> Callable[[Sequence[bytes]], Embedding]:
    def embed(files: Sequence[bytes]) -> Embedding:
        return np.stack([_vector(encoded) for encoded in images.encode_images(files)])

    return embed


def outlier_image() -> bytes:
    """Black and white noise, as a BMP file."""
    shape = (_OUTLIER_SIDE, _OUTLIER_SIDE, 3)
    pixels = np.random.default_rng(0).integers(0, 2, shape, np.uint8) * np.uint8(255)
    offset = 54
    header = struct.pack("<2sIHHI", b"BM", offset + pixels.nbytes, 0, 0, offset)
    side = _OUTLIER_SIDE
    about = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, pixels.nbytes, 0, 0, 0, 0)
    return header + about + pixels.tobytes()


def _vector(encoded: EncodedImage | Exception) -> Embedding:
    if isinstance(encoded, Exception):
        raise encoded
    return encoded.embedding


def _in_batches(
    embed: Callable[[Sequence[Item]], Embedding],
    items: Sequence[Item],
    outlier: Item | None,
    batch: int,
) -> Embedding:
    """Embeds in batches that contain the outlier, whose vector is dropped."""
    outliers = [] if outlier is None else [outlier]
    step = batch - len(outliers)
    chunks = (items[start : start + step] for start in range(0, len(items), step))
    return np.concatenate([embed([*chunk, *outliers])[: len(chunk)] for chunk in chunks])


class ParityError(Exception):
    """The model is rejected; the message lists all reasons."""


@dataclass(frozen=True)
class Cosines:
    """Cosines of vectors with their reference."""

    median: float
    worst: float


def cosines(shipped: Embedding, reference: Embedding) -> Cosines:
    """Row by row, of two matrices [N, D]."""
    lengths = np.linalg.norm(shipped, axis=1) * np.linalg.norm(reference, axis=1)
    each = (shipped * reference).sum(axis=1) / lengths
    return Cosines(round(float(np.median(each)), 6), round(float(each.min()), 6))


def cosine_faults(name: str, found: Cosines, limits: Limits) -> list[str]:
    return [
        f"{name}: {which} cosine to float32 is {value:.4f}, below {least}"
        for which, value, least in (
            ("median", found.median, limits.median_cosine),
            ("worst", found.worst, limits.worst_cosine),
        )
        if not value >= least
    ]


def batch_faults(name: str, found: Cosines, limits: Limits) -> list[str]:
    if found.worst >= limits.batch_cosine:
        return []
    return [
        f"{name}: vectors depend on the batch, worst cosine {found.worst:.6f}, "
        f"below {limits.batch_cosine}"
    ]


def recall_faults(shipped: Recall, reference: Recall, limits: Limits) -> list[str]:
    lost = [
        f"{cut} is {shipped[cut]}, more than {limits.recall_loss} below float32's {best}"
        for cut, best in reference.items()
        if not shipped[cut] >= best - limits.recall_loss
    ]
    low = [
        f"{cut} is {shipped[cut]}, below the target of {target}"
        for cut, target in limits.recall.items()
        if not shipped[cut] >= target
    ]
    return lost + low


def overlap_faults(name: str, overlap: float, limits: Limits) -> list[str]:
    if overlap >= limits.top10_overlap:
        return []
    return [f"{name}: {overlap} % overlap with float32's first 10, below {limits.top10_overlap}"]


def refuse(faults: list[str]) -> None:
    """Raises ParityError if there is any fault."""
    if faults:
        raise ParityError("rejected:\n" + "\n".join(f"- {fault}" for fault in faults))


@dataclass(frozen=True)
class Parity:
    """The figures for a manifest's `quality`; recalls and overlaps in percent."""

    text_to_image_float32: Recall
    text_to_image: Recall
    text_to_image_top10_overlap: float
    image_to_image_top10_overlap: float
    image_cosine_to_float32: Cosines
    text_cosine_to_float32: Cosines
    image_cosine_alone_to_batch: Cosines
    text_cosine_alone_to_batch: Cosines
    photos: int

    def as_manifest(self) -> dict[str, Any]:
        return asdict(self)


def compare(shipped: Vectors, images: Embedding, texts: Embedding) -> Parity:
    """Compare with float32 `images` and `texts`, [N, D], in the same order.

    As in use, recalls compare images embedded in batches with texts embedded one by one.
    """
    return Parity(
        text_to_image_float32=recall(texts, images),
        text_to_image=recall(shipped.texts_alone, shipped.images),
        text_to_image_top10_overlap=top_overlap(shipped.texts_alone, shipped.images, texts, images),
        image_to_image_top10_overlap=_image_overlap(shipped.images, images),
        image_cosine_to_float32=cosines(shipped.images, images),
        text_cosine_to_float32=cosines(shipped.texts_alone, texts),
        image_cosine_alone_to_batch=cosines(shipped.images, shipped.images_alone),
        text_cosine_alone_to_batch=cosines(shipped.texts, shipped.texts_alone),
        photos=len(images),
    )


def faults(found: Parity, limits: Limits) -> list[str]:
    """The reasons to reject the model; empty if there are none."""
    texts, images = found.text_to_image_top10_overlap, found.image_to_image_top10_overlap
    return [
        *recall_faults(found.text_to_image, found.text_to_image_float32, limits),
        *overlap_faults("text → image", texts, limits),
        *overlap_faults("image → image", images, limits),
        *cosine_faults("image graph", found.image_cosine_to_float32, limits),
        *cosine_faults("text graph", found.text_cosine_to_float32, limits),
        *batch_faults("image graph", found.image_cosine_alone_to_batch, limits),
        *batch_faults("text graph", found.text_cosine_alone_to_batch, limits),
    ]


def _image_overlap(shipped: Embedding, exact: Embedding) -> float:
    """Overlap of image-to-image results, without each query itself."""
    overlaps = []
    for row in range(len(exact)):
        others = np.arange(len(exact)) != row
        one = slice(row, row + 1)
        overlaps.append(top_overlap(shipped[one], shipped[others], exact[one], exact[others]))
    return round(float(np.mean(overlaps)), 1)
