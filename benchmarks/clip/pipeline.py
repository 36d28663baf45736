"""Share of the image encoder's speed that the steps around it leave: decoding, index, thumbnails.

Each part of the photos is processed in turns: from decoded pixels to vectors, from files to
vectors, and from files to the index.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.report import Row
from benchmarks.workbench import workbench
from imagesearch import bootstrap
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.settings import Settings

PARTS, PART = 10, 100


def measure_pipeline(model: Path, parts: int = PARTS, part: int = PART) -> Iterator[Row]:
    """Rows of both shares, from `parts` times `part` photos of 1 megapixel."""
    with workbench(parts * part, model) as bench:
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
