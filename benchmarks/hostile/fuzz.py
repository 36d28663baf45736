"""Mutated files of every format that is read, decoded as indexing does.

FUZZ_FILES sets their number, FUZZ_SEED the mutations; runs of other seeds have other files.
"""

import io
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pillow_jxl  # noqa: F401 - registers the encoder
from PIL import Image, ImageDraw

from benchmarks.report import Row
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from tests.support.images.raw_files import files_of_all_makers
from tests.support.paths import REPOSITORY

TITLE = "mutated files"
FILES, SEED = 20_000, 1
_WANTED = Preprocessing(224, "crop", "bicubic", (0,) * 3, (1,) * 3, (0,) * 3)
_COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("measured_decoder.py")))
_HEIC = REPOSITORY / "tests/unit/embedding/data/quadrants.heic"
_BATCH = 200
_OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({}, {"progressive": True}),
    "PNG": ({},),
    "WEBP": ({}, {"lossless": True}),
    "GIF": ({},),
    "BMP": ({},),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}),
    "AVIF": ({"speed": 10},),
    "JXL": ({"effort": 1},),
}
# Values at which parsers of sizes and offsets fail.
_LIMITS = tuple(
    value.to_bytes(size, order)
    for size in (1, 2, 4)
    for value in (0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("little", "big")
)


@dataclass
class Report:
    """The outcomes by format and code; CPU seconds and peak memory in bytes of the worst file."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    memory: int = 0

    @property
    def files(self) -> int:
        return self.outcomes.total()

    def count(self, code: str) -> int:
        return sum(number for (_, each), number in self.outcomes.items() if each == code)


def measure() -> Iterator[Row]:
    files = int(os.environ.get("FUZZ_FILES", FILES))
    seed = int(os.environ.get("FUZZ_SEED", SEED))
    report = run(files, seed)
    formats = {name for name, _ in report.outcomes}
    yield Row(
        "files",
        f"{report.files:,}",
        f"seed {seed}; {len(formats)} kinds: {', '.join(sorted(formats))}",
    )
    for code in sorted({code for _, code in report.outcomes}):
        yield Row(code, f"{report.count(code):,}")
    yield Row("most CPU time of a file", f"{report.seconds:.2f} s", "limit: 10 s")
    yield Row("peak memory of a decoder", f"{report.memory / 1e6:,.0f} MB", "limit: 1.2 GB")


def run(files: int, seed: int) -> Report:
    """Decode this many mutated files. An exception is a crash outside of a decoder process."""
    report, chance, originals = Report(), random.Random(seed), _originals()
    names = sorted(originals)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with closing(DecoderPool(command=(*_COMMAND, str(log)))) as pool:
            for start in range(0, files, _BATCH):
                chosen = [names[n % len(names)] for n in range(start, min(start + _BATCH, files))]
                mutated = [_mutated(originals[name], chance) for name in chosen]
                decoded = pool.decode_in_order(mutated, _WANTED, DetailOptions(thumbnail=True))
                for name, result in zip(chosen, decoded, strict=True):
                    code = "decoded" if isinstance(result, Picture) else result.code
                    report.outcomes[name, code] += 1
        for line in log.read_text().splitlines():
            seconds, memory = line.split()
            report.seconds = max(report.seconds, float(seconds))
            report.memory = max(report.memory, int(memory))
    return report


def _originals() -> dict[str, bytes]:
    """A small file of each format and option, by name."""
    image = Image.effect_noise((96, 64), 60).convert("RGB")
    ImageDraw.Draw(image).ellipse((20, 10, 70, 50), (200, 30, 60))
    files = {"HEIC": _HEIC.read_bytes()}
    for name, variants in _OPTIONS.items():
        for options in variants:
            file = io.BytesIO()
            image.save(file, name, **options)
            files[" ".join([name, *map(str, options.values())])] = file.getvalue()
    raw = files_of_all_makers(image.resize((640, 480)))
    return files | {f"RAW {name}": data for name, data in raw.items()}


def _mutated(file: bytes, chance: random.Random) -> bytes:
    """Up to eight changes, most of them in the headers at the beginning."""
    changed = bytearray(file)
    for _ in range(chance.randint(1, 8)):
        at = int(chance.random() ** chance.choice((1, 2, 4)) * len(changed))
        match chance.randrange(5):
            case 0:
                changed[at : at + 1] = (
                    bytes([changed[at] ^ 1 << chance.randrange(8)]) if changed else b""
                )
            case 1:
                new = chance.choice(_LIMITS)
                changed[at : at + len(new)] = new
            case 2:
                del changed[at : at + chance.randint(1, 64)]
            case 3:
                end = at + chance.randint(1, 256)
                changed[at:at] = changed[at:end] * chance.randint(1, 20)
            case 4:
                changed[at : at + 8] = chance.randbytes(8)
    return bytes(changed[: int(len(changed) * min(1, chance.uniform(0.5, 2)))])
