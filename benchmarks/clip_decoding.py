"""A 12-megapixel JPEG to the model's tensor, beside Pillow that decodes all of it first."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import Row
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.manifest import load_manifest

ROUNDS = 5


def measure(folder: Path, photos: Sequence[Path]) -> Row:
    image = load_manifest(folder).image
    files = [path.read_bytes() for path in photos]

    def ours(data: bytes) -> object:
        return decode(data, image.preprocessing)

    def pillow(data: bytes) -> object:
        with Image.open(io.BytesIO(data)) as opened:
            picture = opened.convert("RGB")
        shrink = image.size / min(picture.size)
        sides = round(picture.width * shrink), round(picture.height * shrink)
        return np.asarray(picture.resize(sides, Image.Resampling.BICUBIC), np.float32) / 255

    seconds = np.array([[_seconds(way, files) for way in (ours, pillow)] for _ in range(ROUNDS)])
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    mine, theirs = 1000 * np.median(seconds, axis=0) / len(files)
    size = np.mean([len(data) for data in files]) / 1e6
    return Row(
        "12-megapixel JPEG, decode and preprocess, one core",
        f"{mine:.0f} ms, {ratio:.1f} times as fast",
        f"Pillow's full decode and resize: {theirs:.0f} ms; files of {size:.1f} MB",
        "≥ 3 times",
    )


def _seconds(way: Callable[[bytes], object], files: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for data in files:
        way(data)
    return time.perf_counter() - started
