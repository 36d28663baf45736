"""Latency of a model on this machine: an image file to its vector, and a text to its vector."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.ports import ImageEncoder, TextEncoder
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder

_ROUNDS = 7
# The first calls start the decoder process and allocate memory.
_WARM_UP = 2
Item = TypeVar("Item")


@dataclass(frozen=True)
class Latency:
    """Milliseconds from an image file, and from a text, to its vector: the medians of seven."""

    image_ms: float
    text_ms: float


def latency_of(folder: Path, photos: Sequence[bytes], texts: Sequence[str]) -> Latency:
    """Measure the encoders of a model folder. Raises ConfigurationError, UnreadableImage."""
    manifest = load_manifest(folder)
    images = OnnxImageEncoder(folder, manifest)
    try:
        return measured(images, OnnxTextEncoder(folder, manifest), photos, texts)
    finally:
        images.close()


def measured(
    images: ImageEncoder, texts: TextEncoder, photos: Sequence[bytes], captions: Sequence[str]
) -> Latency:
    """Embed photos and texts one by one, like queries. Raises UnreadableImage."""

    def embed(photo: bytes) -> None:
        (encoded,) = images.encode_images([photo])
        if isinstance(encoded, UnreadableImage):
            raise encoded

    return Latency(
        _median_ms(embed, photos), _median_ms(lambda text: texts.encode_texts([text]), captions)
    )


def _median_ms(embed: Callable[[Item], object], items: Sequence[Item]) -> float:
    times = []
    for number in range(_WARM_UP + _ROUNDS):
        started = time.perf_counter()
        embed(items[number % len(items)])
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[_WARM_UP:])
