"""The model that ships runs through the same code: alone as in a batch, and sensibly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imagesearch.embedding.decoding.pool import DecoderPool
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "layers" / "starter_model" / "starter_model"
ANIMALS = ROOT / "samples" / "animals"
NAMES = ["american-bison", "clownfish", "giant-panda", "polar-bear-on-snow", "owl"]


@pytest.fixture(scope="module")
def images():
    pool = DecoderPool()
    yield OnnxImageEncoder(FOLDER, load_manifest(FOLDER), decoders=pool)
    pool.close()


@pytest.fixture(scope="module")
def texts():
    return OnnxTextEncoder(FOLDER, load_manifest(FOLDER))


def test_an_embedding_does_not_depend_on_its_batch_mates(images, texts):
    files = [(ANIMALS / f"{name}.webp").read_bytes() for name in NAMES]
    together = np.stack([image.embedding for image in images.encode_images(files)])
    alone = np.stack([images.encode_images([file])[0].embedding for file in files])
    assert (together * alone).sum(axis=1).min() >= 0.9999

    words = ["owl", "a long text about a bear that walks over the snow of a cold country", "fish"]
    together = texts.encode_texts(words)
    alone = np.concatenate([texts.encode_texts([word]) for word in words])
    assert (together * alone).sum(axis=1).min() >= 0.9999


def test_words_find_their_pictures(images, texts):
    files = [(ANIMALS / f"{name}.webp").read_bytes() for name in NAMES]
    pictures = np.stack([image.embedding for image in images.encode_images(files)])
    words = texts.encode_texts(["a bison", "an orange fish", "a panda", "a white bear", "an owl"])
    assert (words @ pictures.T).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
