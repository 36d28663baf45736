"""Pictures that look alike have nearly the same hash, others have not."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash

SAMPLES = Path(__file__).parents[3] / "samples"
PHOTOS = sorted(SAMPLES.rglob("*.webp"))[::8]


def photo(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file)


EDITS = {
    "half the size": lambda image: image.reduce(2),
    "recompressed": recompressed,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_keeps_the_picture_changes_few_bits(edit):
    for path in PHOTOS:
        image = photo(path)
        assert distance(perceptual_hash(image), perceptual_hash(EDITS[edit](image))) <= 8


def test_different_pictures_differ_in_many_bits():
    hashes = [perceptual_hash(photo(path)) for path in PHOTOS]
    assert min(distance(*pair) for pair in combinations(hashes, 2)) > 12


def test_a_hash_is_sixteen_hexadecimal_digits_that_say_how_dark_and_light_lie():
    gradient = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    found = perceptual_hash(Image.fromarray(gradient))
    assert len(found) == 16
    # From dark to light: only the mean and nothing across or down lies above the median.
    assert found[0] in "89abcdef"
    assert perceptual_hash(Image.fromarray(gradient[:, ::-1].copy())) != found


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (12, 200, 77)])
def test_pictures_in_one_colour_have_no_bits_but_that_of_their_mean(colour):
    bit = "8" if any(colour) else "0"
    assert perceptual_hash(Image.new("RGB", (50, 20), colour)) == bit + "0" * 15


def test_a_picture_of_one_pixel_has_a_hash():
    assert len(perceptual_hash(Image.new("RGB", (1, 1), "red"))) == 16
