"""A picture is embedded and measured as it is displayed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from imagesearch.embedding.decoding import decode

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def stored(saved, quadrants, format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100}
    return saved(quadrants, format, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_every_orientation_is_turned_upright(
    format, orientation, quadrants, saved, stretched, corners
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = quadrants.copy()
    shown.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(shown)

    picture = decode(stored(saved, quadrants, format, orientation), stretched)

    assert (picture.width, picture.height) == upright.size
    wanted = corners(saved(upright, "PNG"))
    assert np.abs(np.subtract(corners(picture), wanted)).max() < 16


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_turning_after_resizing_is_turning_before(resize, orientation, quadrants, saved, stretched):
    noise = np.random.default_rng(0).integers(0, 255, (71, 90, 3), np.uint8)
    image = Image.fromarray(noise)
    wanted = replace(stretched, resize=resize)
    image.getexif()[0x0112] = orientation
    turned = decode(saved(image, "PNG", exif=image.getexif()), wanted)
    upright = decode(saved(ImageOps.exif_transpose(image), "PNG"), wanted)
    assert np.abs(turned.pixels - upright.pixels).max() <= 2


def test_a_turned_heic_picture_is_turned_once(data, stretched, corners):
    picture = decode(data("quadrants-turned.heic"), stretched)
    assert (picture.width, picture.height) == (64, 96)
    wanted = [(0, 0, 255), (255, 0, 0), (255, 255, 255), (0, 255, 0)]
    assert np.abs(np.subtract(corners(picture), wanted)).max() < 16


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_none(orientation, quadrants, saved, stretched):
    picture = decode(stored(saved, quadrants, "JPEG", orientation), stretched)
    assert (picture.width, picture.height) == quadrants.size
