"""Starter model: classification of the sample photos."""

import csv

import numpy as np
import pytest

from imagesearch.classification.prompts import LabelEncoder
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"


@pytest.fixture(scope="module")
def photos() -> list[dict[str, str]]:
    with (REPOSITORY / "samples/samples.tsv").open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


@pytest.fixture(scope="module")
def images(photos) -> np.ndarray:
    encoder = OnnxImageEncoder(STARTER_MODEL, load_manifest(STARTER_MODEL))
    files = [(REPOSITORY / "samples" / photo["path"]).read_bytes() for photo in photos]
    found = np.stack([each.embedding for each in encoder.encode_images(files)])
    encoder.close()
    return found


@pytest.fixture(scope="module")
def labels() -> LabelEncoder:
    manifest = load_manifest(STARTER_MODEL)
    return LabelEncoder(OnnxTextEncoder(STARTER_MODEL, manifest), manifest.prompts)


def test_nine_of_ten_photos_are_classified_by_their_folder_name(photos, images, labels):
    names = ["animals", "energy", "landmarks", "objects"]
    vectors = labels.encode_labels(["animal", "energy", "landmark", "object"])
    best = [names[place] for place in (images @ vectors.T).argmax(axis=1)]
    own = [photo["path"].split("/")[0] for photo in photos]
    assert np.mean([found == wanted for found, wanted in zip(best, own, strict=True)]) >= 0.9


def test_half_of_the_photos_get_their_own_caption_and_scores_match_accuracy(photos, images, labels):
    cosines = images @ labels.encode_labels([photo["caption"] for photo in photos]).T
    scores = np.stack([labels.probabilities(row) for row in cosines])
    right = np.mean(scores.argmax(axis=1) == np.arange(len(photos)))
    assert right >= 0.45
    assert scores.max(axis=1).mean() == pytest.approx(right, abs=0.1)
