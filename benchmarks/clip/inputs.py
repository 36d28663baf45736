"""Inputs of the CLIP benchmark: sample photos in three sizes, and CLIP ViT-B/32 as model folders.

The models have the sizes of CLIP and random weights, the same in every contestant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks.clip.contestants import SEED
from benchmarks.workbench import REPOSITORY, SAMPLES
from imagesearch.embedding.session import plainly_exact
from models.clip.build_random import build
from models.clip.weights import VIT_B_32
from models.evaluation.samples import read_samples
from models.quantization.quantize import quantize

TOKENIZER = REPOSITORY / "tests/unit/embedding/data/clip-tokenizer.json"
QUALITY = 90
SMALL_PIXELS = 100_000
LARGE_SIDES = (4000, 3000)
SMALL, AS_THEY_ARE, LARGE = "0.1 megapixels", "as the samples are", "12 megapixels"
COUNTS = {SMALL: 16, AS_THEY_ARE: 16, LARGE: 8}


@contextmanager
def clip_photos() -> Iterator[dict[str, list[Path]]]:
    """Paths by size; the large photos are upscaled, with less detail than a camera's."""
    with TemporaryDirectory(prefix="imagesearch-photos-") as temporary:
        yield {size: _written(Path(temporary), size, count) for size, count in COUNTS.items()}


def _written(folder: Path, size: str, count: int) -> list[Path]:
    every = sorted(SAMPLES.rglob("*.webp"))
    # Spread over the folders, since photos in one folder are similar.
    chosen = every[:: len(every) // count][:count]
    return [_saved(source, folder / f"{size}-{source.stem}.jpg", size) for source in chosen]


def _saved(source: Path, target: Path, size: str) -> Path:
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    picture.resize(_sides(picture, size), Image.Resampling.BICUBIC).save(target, quality=QUALITY)
    return target


def _sides(picture: Image.Image, size: str) -> tuple[int, int]:
    width, height = picture.size
    if size == LARGE:
        return LARGE_SIDES if width >= height else LARGE_SIDES[::-1]
    shrink = min(1.0, (SMALL_PIXELS / (width * height)) ** 0.5) if size == SMALL else 1.0
    return round(width * shrink), round(height * shrink)


@dataclass(frozen=True)
class ClipFolders:
    """`dynamic` has the form of public int8 files after `models pull` on this machine."""

    fp32: Path
    dynamic: Path
    static: Path


@contextmanager
def clip_folders() -> Iterator[ClipFolders]:
    """Temporary folders of about 850 MB."""
    with TemporaryDirectory(prefix="imagesearch-clip-") as temporary:
        root = Path(temporary)
        folders = ClipFolders(root / "fp32", root / "dynamic", root / "static")
        build(VIT_B_32, TOKENIZER, folders.fp32, SEED)
        samples = partial(read_samples, SAMPLES)
        pulled = "dynamic" if plainly_exact() else "dynamic-unsigned"
        for method, folder in ((pulled, folders.dynamic), ("static", folders.static)):
            how = (method, ())
            quantize(folders.fp32, folder, image=how, text=how, samples=samples)
        yield folders
