"""Claims: with the starter model, different pages are not duplicates, and rescanned pages are."""

import io
import random
from pathlib import Path

import pytest

from imagesearch.domain.images import DetailOptions
from imagesearch.duplicates.contrast_maps import UNSURE
from imagesearch.duplicates.similarity import MIN_CONFIDENCE, THRESHOLD, Fingerprint, similarity
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from models.evaluation.document_pages import chat, letter
from models.evaluation.page_copies import PAGE_COPIES
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

ROOT = REPOSITORY
MODEL = ROOT / "layers" / "starter_model" / "starter_model"
PHOTOS = sorted((ROOT / "samples").glob("*/*.*"))[::17]


@pytest.fixture(scope="module")
def manifest():
    return load_manifest(MODEL)


@pytest.fixture(scope="module")
def encoded(manifest):
    encoder = OnnxImageEncoder(MODEL, manifest)

    def encode(pictures):
        files = [picture if isinstance(picture, bytes) else png(picture) for picture in pictures]
        return encoder.encode_images(files, DetailOptions())

    yield encode
    encoder.close()


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def confidence(manifest, one, other):
    fingerprints = [
        Fingerprint(each.phash, each.miniature, each.contrasts)
        for each in (one.details, other.details)
    ]
    found = similarity(
        manifest.duplicates.weights, float(one.embedding @ other.embedding), *fingerprints, 0
    )
    return found.confidence


@pytest.mark.parametrize("kind", [letter, chat])
def test_pages_with_other_text_are_not_duplicates(manifest, encoded, kind):
    pages = encoded([kind(random.Random(f"functional {seed}")) for seed in range(5)])
    pairs = [(one, other) for place, one in enumerate(pages) for other in pages[:place]]
    assert all(confidence(manifest, *pair) < MIN_CONFIDENCE for pair in pairs)


@pytest.mark.parametrize("copy", ["saved again", "a third of the size", "scanned again, 1° off"])
def test_a_copy_of_a_page_is_found(manifest, encoded, copy):
    page = letter(random.Random("functional copy"))
    one, other = encoded([page, PAGE_COPIES[copy](page)])
    assert confidence(manifest, one, other) > THRESHOLD


def test_only_pages_have_a_certain_contrast_map(encoded):
    page, *photos = encoded([chat(random.Random("functional")), *map(Path.read_bytes, PHOTOS)])
    assert page.details.contrasts
    assert not page.details.contrasts.startswith(UNSURE)
    assert photos
    maps = [photo.details.contrasts for photo in photos]
    assert all(map == "" or map.startswith(UNSURE) for map in maps)
    assert "" in maps
