"""CLIP ViT-B/32 in full size with random weights, as folders that the product loads."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clip_seed import SEED
from benchmarks.workbench import REPOSITORY, SAMPLES
from models.clip.build_random import build
from models.clip_shape import VIT_B_32
from models.quantization.quantize import quantise
from models.samples import read_samples

TOKENIZER = REPOSITORY / "tests/unit/embedding/data/clip-tokenizer.json"


@dataclass(frozen=True)
class ClipFolders:
    """`dynamic` is as public int8 files are, once their weights are signed."""

    fp32: Path
    dynamic: Path
    static: Path


@contextmanager
def clip_folders() -> Iterator[ClipFolders]:
    """Folders that go when the measurement ends: about 850 MB."""
    # onnxruntime's advice is for graphs that were exported, not built.
    logging.disable(logging.WARNING)
    with TemporaryDirectory(prefix="imagesearch-clip-") as temporary:
        root = Path(temporary)
        folders = ClipFolders(root / "fp32", root / "dynamic", root / "static")
        build(VIT_B_32, TOKENIZER, folders.fp32, SEED)
        samples = partial(read_samples, SAMPLES)
        for method, folder in (("dynamic", folders.dynamic), ("static", folders.static)):
            how = (method, ())
            quantise(folders.fp32, folder, image=how, text=how, samples=samples)
        yield folders
