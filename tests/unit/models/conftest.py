"""The shipped starter folder, a small CLIP and the sample photos, opened once for all tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

from models import Floats
from models.clip.build_random import build
from models.clip.weights import TINY, TowerShape
from models.evaluation.reference_pipeline import Embedder
from models.evaluation.samples import Samples, read_samples
from models.starter.build import PREPROCESS
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="session")
def starter_folder() -> Path:
    return REPOSITORY / "layers" / "starter_model" / "starter_model"


@pytest.fixture(scope="session")
def manifest(starter_folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((starter_folder / "manifest.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="session")
def starter(starter_folder: Path) -> Embedder:
    return Embedder.of_folder(starter_folder, PREPROCESS)


@pytest.fixture(scope="session")
def samples() -> Samples:
    return read_samples(REPOSITORY / "samples")


@pytest.fixture(scope="session")
def sample_images(starter: Embedder, samples: Samples) -> Floats:
    """Embeddings of the sample photos, [85, 512]."""
    return starter.images(samples.pictures)


@pytest.fixture(scope="session")
def sample_texts(starter: Embedder, samples: Samples) -> Floats:
    """Embeddings of the sample photos, [85, 512]."""
    return starter.texts(samples.captions)


SMALL_CLIP = replace(
    TINY,
    image=TowerShape(width=64, layers=2, heads=4, inner=128),
    text=TowerShape(width=32, layers=2, heads=2, inner=64),
)


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 CLIP with random weights and a tokenizer of single letters."""
    folder = tmp_path_factory.mktemp("clip")
    letters = [*map(chr, range(32, 127)), "<start>", "<end>"]
    words = WordLevel({letter: place for place, letter in enumerate(letters)}, unk_token=" ")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = Split("", "isolated")
    ends = [("<start>", 95), ("<end>", 96)]
    tokenizer.post_processor = TemplateProcessing("<start> $A <end>", special_tokens=ends)
    tokenizer.save(str(folder / "letters.json"))
    build(SMALL_CLIP, folder / "letters.json", folder / "model", seed=3)
    return folder / "model"


@pytest.fixture(scope="session")
def few_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sixteen captioned photos."""
    folder, samples = tmp_path_factory.mktemp("samples"), REPOSITORY / "samples"
    head, *rows = (samples / "samples.tsv").read_text("utf-8").splitlines()
    some = rows[::5][:16]
    (folder / "samples.tsv").write_text("\n".join([head, *some]) + "\n", "utf-8")
    place = head.split("\t").index("path")
    for name in (row.split("\t")[place] for row in some):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(samples / name)
    return folder
