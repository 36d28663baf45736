"""Share of the image encoder's speed that the steps around it leave: decoding, index, thumbnails.

Each part of the photos is processed in turns: from decoded pixels to vectors, from files to
vectors, and from files to the index.
"""

import io
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import Row
from benchmarks.workbench import SAMPLES, workbench
from imagesearch import bootstrap
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.settings import Settings

PARTS, PART = 10, 100
PIXELS = 1_000_000
# A different quality makes a different file: equal files are embedded once.
QUALITIES = range(82, 97)


def measure_pipeline(model: Path, parts: int = PARTS, part: int = PART) -> Iterator[Row]:
    """Rows of both shares, from `parts` times `part` photos of 1 megapixel."""
    with workbench(copies=0, model=model) as bench:
        write_photos(bench.folder, parts * part)
        settings = Settings.from_environment(bench.environment)
        manifest = load_manifest(model)
        encoder = OnnxImageEncoder(model, manifest)
        indexer, store = bootstrap.indexer(settings), bootstrap.image_store(settings)
        refs = sorted((ref for ref, _ in store.list_images()), key=lambda ref: ref.key)
        rates = []
        try:
            for start in range(0, len(refs), part):
                some = refs[start : start + part]
                files = [(bench.folder / ref.key).read_bytes() for ref in some]
                pictures = [decode(data, manifest.image.preprocessing) for data in files]
                assert all(isinstance(picture, Picture) for picture in pictures)
                rates.append(
                    (
                        _seconds(partial(encoder.encode_pictures, pictures)),
                        _seconds(partial(encoder.encode_images, files)),
                        _seconds(partial(indexer.process, some)),
                    )
                )
        finally:
            encoder.close()
            bootstrap.image_encoder(settings.model_uri).close()
    seconds = np.array(rates)
    alone, files_seconds, indexed = part / np.median(seconds, axis=0)
    shares = np.median(seconds[:, :1] / seconds, axis=0)
    count = f"{parts * part:,} photos of 1 megapixel, {os.cpu_count()} cores"
    yield _share("files to vectors", shares[1], files_seconds, alone, count, "≥ 95 %")
    yield _share("files to the index", shares[2], indexed, alone, count, "≥ 85 %")


def write_photos(folder: Path, count: int) -> None:
    """Different JPEG files of 1 megapixel, made from the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(SAMPLES.rglob("*.webp"))
    for number in range(count):
        round_, source = divmod(number, len(sources))
        with Image.open(sources[source]) as opened:
            picture = opened.convert("RGB")
        scale = (PIXELS / (picture.width * picture.height)) ** 0.5
        sides = round(picture.width * scale), round(picture.height * scale)
        file = io.BytesIO()
        picture.resize(sides, Image.Resampling.BICUBIC).save(
            file, "JPEG", quality=QUALITIES[round_ % len(QUALITIES)]
        )
        (folder / f"{number:05}.jpg").write_bytes(file.getvalue())


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _share(name: str, share: float, rate: float, alone: float, count: str, goal: str) -> Row:
    return Row(
        f"{name}, as a share of pixels to vectors",
        f"{100 * share:.0f} %",
        f"{rate:.1f} of {alone:.1f} images/s; {count}",
        goal,
    )
