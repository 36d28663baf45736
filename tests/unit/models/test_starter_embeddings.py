"""What the shipped graphs compute: unit vectors, free of batch-mates, that find the right photo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.evaluation.edits import EDITS
from models.evaluation.metrics import ranks, recall
from models.evaluation.parity import RECALL_TARGETS, SMALLEST_BATCH_COSINE, cosines
from models.evaluation.reference_pipeline import Embedder
from models.evaluation.samples import Samples
from models.quantization.methods import Floats
from models.starter.quality import text_batch_cosines
from models.starter.text_graph import WIDTH

pytestmark = pytest.mark.slow


def test_vectors_have_length_1(sample_images: Floats, sample_texts: Floats) -> None:
    for vectors in (sample_images, sample_texts):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_picture_alone_and_in_a_batch_is_the_same(
    starter: Embedder, samples: Samples, sample_images: Floats
) -> None:
    some = slice(0, 16)
    alone = starter.images(samples.pictures[some], batch=1)
    assert cosines(sample_images[some], alone).worst >= SMALLEST_BATCH_COSINE


def test_a_text_alone_and_in_a_padded_batch_is_the_same(
    starter: Embedder, samples: Samples
) -> None:
    assert text_batch_cosines(starter, samples.captions).worst >= SMALLEST_BATCH_COSINE


def test_captions_find_their_photos(sample_texts: Floats, sample_images: Floats) -> None:
    found = recall(sample_texts, sample_images)
    assert {cut: found[cut] >= target for cut, target in RECALL_TARGETS.items()} == {
        "R@1": True,
        "R@5": True,
        "R@10": True,
    }, found


def test_the_stated_recall_is_the_measured_one(
    sample_texts: Floats, sample_images: Floats, manifest: dict[str, Any]
) -> None:
    # Processors round differently: one photo of 85 may change places.
    stated = manifest["quality"]["text_to_image"]
    assert recall(sample_texts, sample_images) == pytest.approx(stated, abs=1.3)


def test_a_text_ranks_by_the_first_block_alone(sample_texts: Floats, sample_images: Floats) -> None:
    assert not sample_texts[:, WIDTH:].any()
    first = ranks(sample_texts[:, :WIDTH], sample_images[:, :WIDTH])
    assert (ranks(sample_texts, sample_images) == first).all()


def test_the_second_block_finds_the_originals_of_watermarked_photos(
    starter: Embedder, samples: Samples, sample_images: Floats
) -> None:
    edited = starter.images([EDITS["watermark"](picture) for picture in samples.pictures])
    both = (ranks(edited, sample_images) == 0).mean()
    first = (ranks(edited[:, :WIDTH], sample_images[:, :WIDTH]) == 0).mean()
    assert both > first + 0.1


def test_words_and_picture_of_one_thing_are_nearer_than_of_two(starter: Embedder) -> None:
    dog, cat, spanner = starter.texts(["a dog", "a puppy", "a steel wrench"])
    assert dog @ cat > dog @ spanner
