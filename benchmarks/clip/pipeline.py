"""Share of the image encoder's speed that the steps around it leave: decoding, index, thumbnails.

Each part of the photos is processed in turns: from decoded pixels to vectors, from files to
vectors, and from files to the index. CPU times include those of the decoder processes; other load
on the machine changes them less than the seconds.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.report import Row
from benchmarks.workbench import STARTER_MODEL, workbench
from imagesearch import bootstrap
from imagesearch.domain.images import DetailOptions, ImageRef
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import OutcomeKind
from imagesearch.settings import Settings
from local.sync.reconcile import reconcile

PARTS, PART = 5, 200


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds of each part [parts, 3], and CPU times of a photo in milliseconds.

    The three ways are pixels to vectors, files to vectors, and files to the index.
    """

    seconds: NDArray[np.float64]
    vector: float
    file: float
    index: float
    decoding: float
    details: float

    @property
    def rest(self) -> float:
        """CPU time of linking duplicates, writing the record, and all else."""
        return self.index - self.file - self.details


def measure_pipeline(model: Path, parts: int = PARTS, part: int = PART) -> Iterator[Row]:
    """Rows of both shares, from `parts` times `part` photos of 1 megapixel."""
    clip, starter = _spent(model, parts, part), _spent(STARTER_MODEL, parts, part)
    alone, files_seconds, indexed = part / np.median(clip.seconds, axis=0)
    shares = np.median(clip.seconds[:, :1] / clip.seconds, axis=0)
    count = f"{parts * part:,} photos of 1 megapixel, {os.cpu_count()} cores"
    yield _share("files to vectors", shares[1], files_seconds, alone, count, "≥ 95 %")
    yield _share("files to the index", shares[2], indexed, alone, count, "≥ 85 %")
    yield Row(
        "CPU time of a photo: pixels to vector, file to vector, file to the index",
        f"{clip.vector:.0f} ms · {clip.file:.0f} ms · {clip.index:.0f} ms",
        f"the first is {100 * clip.vector / clip.index:.0f} % of the last",
    )
    yield Row(
        "CPU time of a photo: decoding, image details with two thumbnails",
        f"{clip.decoding:.1f} ms · {clip.details:.1f} ms",
        "in one process",
    )
    yield Row(
        "CPU time of a photo: linking duplicates, writing, and all else",
        f"{clip.rest:.0f} ms · {starter.rest:.0f} ms",
        "with random weights, for which many photos resemble each other · with the starter model,"
        " whose vectors have as many numbers",
    )


def _spent(model: Path, parts: int, part: int) -> _Spent:
    with workbench(parts * part, model) as bench:
        settings = Settings.from_environment(bench.environment)
        manifest = load_manifest(model)
        encoder = OnnxImageEncoder(model, manifest)
        indexer, store = bootstrap.indexer(settings), bootstrap.image_store(settings)
        refs = sorted((ref for ref, _ in store.list_images()), key=lambda ref: ref.key)
        rates, decoding = [], []
        try:
            for start in range(0, len(refs), part):
                some = refs[start : start + part]
                files = [(bench.folder / ref.key).read_bytes() for ref in some]
                pictures = [decode(data, manifest.image.preprocessing) for data in files]
                assert all(isinstance(picture, Picture) for picture in pictures)
                decoding.append(_decoding(files, manifest.image.preprocessing))
                rates.append(
                    (
                        _used(partial(encoder.encode_pictures, pictures)),
                        _used(partial(encoder.encode_images, files)),
                        _used(partial(_index, indexer, some)),
                    )
                )
        finally:
            encoder.close()
            bootstrap.image_encoder(settings.model_uri).close()
    seconds, cpu_seconds = np.moveaxis(np.array(rates), 2, 0)
    decoded, detailed = 1000 * np.median(decoding, axis=0) / part
    vector, file, index = 1000 * np.median(cpu_seconds, axis=0) / part
    return _Spent(seconds, vector, file, index, decoded, detailed - decoded)


def _index(indexer: Indexer, refs: Sequence[ImageRef]) -> None:
    """Index photos as `imagesearch index` does."""
    for outcome in reconcile(indexer, refs):
        assert outcome.kind is OutcomeKind.INDEXED


def _decoding(files: Sequence[bytes], preprocessing: Preprocessing) -> tuple[float, float]:
    """CPU seconds of decoding without and with image details."""
    seconds = []
    for details in (None, DetailOptions(thumbnail=True, gps=True)):
        started = time.process_time()
        for data in files:
            decode(data, preprocessing, details=details)
        seconds.append(time.process_time() - started)
    return seconds[0], seconds[1]


def _used(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process and its children."""
    started, cpu = time.perf_counter(), _cpu_seconds()
    run()
    return time.perf_counter() - started, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _share(name: str, share: float, rate: float, alone: float, count: str, goal: str) -> Row:
    return Row(
        f"{name}, as a share of pixels to vectors",
        f"{100 * share:.0f} %",
        f"{rate:.1f} of {alone:.1f} images/s; {count}",
        goal,
    )
