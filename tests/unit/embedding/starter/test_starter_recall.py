"""Starter model: recall of the sample photos by their captions."""

import csv

import numpy as np
import pytest

from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"


@pytest.fixture(scope="module")
def ranks() -> np.ndarray:
    """For each caption, the number of photos nearer than its own."""
    manifest = load_manifest(STARTER_MODEL)
    with (REPOSITORY / "samples/samples.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    files = [(REPOSITORY / "samples" / row["path"]).read_bytes() for row in rows]
    encoder = OnnxImageEncoder(STARTER_MODEL, manifest)
    encoded = encoder.encode_images(files)
    encoder.close()
    images = np.stack([one.embedding for one in encoded if isinstance(one, EncodedImage)])
    texts = OnnxTextEncoder(STARTER_MODEL, manifest).encode_texts([row["caption"] for row in rows])
    scores = texts @ images.T
    return (scores > np.diag(scores)[:, None]).sum(axis=1)


@pytest.mark.parametrize(("depth", "percent"), [(1, 50), (5, 78), (10, 88)])
def test_a_caption_finds_its_photo(ranks: np.ndarray, depth: int, percent: float) -> None:
    assert len(ranks) == 85
    assert 100 * np.mean(ranks < depth) >= percent
