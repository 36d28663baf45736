"""Preprocessing: equal to the reference implementations, with drafts and reduction."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Preprocessing, placement_of
from tests.support.paths import SAMPLES, TESTS

CLIP = Preprocessing(
    size=224,
    resize="crop",
    resample="bicubic",
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    pad_color=(0, 0, 0),
)


def cosine(one, other):
    one, other = np.ravel(one).astype(np.float64), np.ravel(other).astype(np.float64)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def without_profile(path):
    """The same pixels without a color profile, which the reference ignores."""
    with Image.open(path) as sample:
        if "icc_profile" not in sample.info:
            return path.read_bytes()
        file = io.BytesIO()
        sample.convert("RGB").save(file, "BMP")
    return file.getvalue()


def test_every_sample_equals_the_hugging_face_reference():
    with np.load(TESTS / "unit/embedding/reference/clip.npz") as reference:
        places = reference["places"]
        wanted = {name: reference[name] for name in reference.files if name != "places"}
    cosines = {
        name: cosine(decode(without_profile(SAMPLES / name), CLIP).pixels.ravel()[places], values)
        for name, values in wanted.items()
    }
    assert len(cosines) == 85
    assert min(cosines.values()) >= 0.9999


@pytest.fixture(scope="module")
def large():
    """A sample scaled to 12 megapixels, with noise."""
    with Image.open(SAMPLES / "animals" / "american-bison.webp") as sample:
        image = np.asarray(sample.convert("RGB").resize((4_000, 3_000), Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).integers(-10, 11, (3_000, 4_000, 1), np.int16)
    return Image.fromarray((image + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("format", "least"), [("JPEG", 0.995), ("BMP", 0.9995)])
def test_a_reduced_decode_is_close_to_a_full_decode(resize, format, least, large, saved):
    wanted = replace(CLIP, resize=resize)
    placement = placement_of(large.size, wanted)
    square = Image.new("RGB", (224, 224), wanted.pad_color)
    whole = large.resize(placement.size, Image.Resampling.BICUBIC, placement.box)
    square.paste(whole, placement.offset)
    values = (np.asarray(square) / 255 - wanted.mean) / wanted.std
    found = decode(saved(large, format), wanted)
    assert (found.width, found.height) == (4_000, 3_000)
    assert cosine(found.pixels, values.transpose(2, 0, 1)) >= least


def test_an_image_is_centered_with_padding_of_the_configured_color(saved):
    wanted = Preprocessing(8, "pad", "bilinear", (0, 0, 0), (1 / 255,) * 3, (1, 2, 3))
    pixels = decode(saved(Image.new("RGB", (80, 40), (9, 9, 9)), "PNG"), wanted).pixels
    assert pixels.dtype == np.float32
    assert np.allclose(pixels[:, :2], np.reshape([1, 2, 3], (3, 1, 1)))
    assert np.allclose(pixels[:, 2:6], 9)
    assert np.allclose(pixels[:, 6:], np.reshape([1, 2, 3], (3, 1, 1)))
