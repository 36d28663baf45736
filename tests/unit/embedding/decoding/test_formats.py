"""Formats and color modes are decoded as displayed by a viewer."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.decoder import decode

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = [RED, GREEN, BLUE, WHITE]
# Chroma is stored at half resolution and quantized, so decoded colors are inexact.
LOSSY = 12


def near(found, wanted, by=LOSSY):
    return np.abs(np.subtract(found, wanted)).max() <= by


@pytest.mark.parametrize(
    ("format", "content_type", "options"),
    [
        ("JPEG", "image/jpeg", {"quality": 95}),
        ("JPEG", "image/jpeg", {"quality": 95, "progressive": True}),
        ("MPO", "image/jpeg", {"quality": 95, "save_all": True}),
        ("PNG", "image/png", {}),
        ("WEBP", "image/webp", {"quality": 95}),
        ("WEBP", "image/webp", {"lossless": True}),
        ("GIF", "image/gif", {}),
        ("BMP", "image/bmp", {}),
        ("TIFF", "image/tiff", {}),
        ("TIFF", "image/tiff", {"compression": "tiff_lzw"}),
        ("TIFF", "image/tiff", {"compression": "jpeg", "quality": 95}),
        ("TIFF", "image/tiff", {"big_tiff": True}),
        ("AVIF", "image/avif", {"quality": 95}),
    ],
)
def test_a_format_is_read(format, content_type, options, quadrants, saved, stretched, corners):
    if format == "MPO":
        options = options | {"append_images": [quadrants.copy()]}
    picture = decode(saved(quadrants, format, **options), stretched)
    assert (picture.width, picture.height, picture.content_type) == (96, 64, content_type)
    assert near(corners(picture), QUADRANTS)


def test_a_heic_image_is_read(data, stretched, corners):
    picture = decode(data("quadrants.heic"), stretched)
    assert (picture.width, picture.height, picture.content_type) == (96, 64, "image/heic")
    assert near(corners(picture), QUADRANTS)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation_is_read(format, quadrants, saved, corners):
    black = Image.new("RGB", quadrants.size)
    animation = saved(quadrants, format, save_all=True, append_images=[black, black])
    assert near(corners(animation), QUADRANTS, 30)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F"])
def test_every_tiff_mode_is_read_as_gray_or_color(mode, saved, corners):
    gray = Image.new("L", (96, 64), 0)
    gray.paste(255, (48, 0, 96, 64))
    image = Image.merge("RGB", [gray] * 3)
    image = gray.convert(mode) if mode in ("1", "I", "F") else image.convert(mode)
    assert near(corners(saved(image, "TIFF")), [(0, 0, 0), WHITE] * 2)


def test_sixteen_bit_gray_is_scaled_and_not_clipped(saved, corners):
    values = np.full((64, 96), 0x8000, np.uint16)
    values[:, 48:] = 0xFFFF
    for format in ("PNG", "TIFF"):
        assert corners(saved(Image.fromarray(values), format)) == [(128,) * 3, WHITE] * 2


def test_floating_point_gray_from_zero_to_one_is_scaled(saved, corners):
    values = np.full((64, 96), 0.5, np.float32)
    values[:, 48:] = 1
    assert near(corners(saved(Image.fromarray(values), "TIFF")), [(128,) * 3, WHITE] * 2, 1)


def test_gray_of_an_unusual_range_is_scaled_to_its_minimum_and_maximum(saved, corners):
    values = np.full((64, 96), -1_000, np.int32)
    values[:, 48:] = 9_000_000
    assert corners(saved(Image.fromarray(values), "TIFF")) == [(0, 0, 0), WHITE] * 2


def test_nan_values_do_not_affect_other_pixels(saved, corners):
    values = np.full((64, 96), 200, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert corners(saved(Image.fromarray(values), "TIFF"))[2:] == [(200,) * 3] * 2


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_an_inverted_cmyk_jpeg_of_adobe_is_read_correctly(mode, quadrants, saved, corners):
    # Pillow writes CMYK like Adobe: inverted, with the Adobe marker.
    assert near(corners(saved(quadrants.convert(mode), "JPEG", quality=95)), QUADRANTS, 20)


@pytest.mark.parametrize(
    ("format", "mode"),
    [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("WEBP", "RGBA"), ("TIFF", "RGBA"),
     ("TIFF", "LA"), ("GIF", "P"), ("AVIF", "RGBA")],
)  # fmt: skip
def test_transparent_pixels_are_white(format, mode, saved, corners):
    image = Image.new("RGBA", (96, 64), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (48, 0, 96, 64))
    options = {"lossless": True} if format == "WEBP" else {}
    if mode == "P":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
        image.info.pop("transparency", None)
        opaque, clear = Image.new("P", (96, 64), 0), 1
        opaque.putpalette([0, 0, 0, 0, 0, 0])
        opaque.paste(clear, (48, 0, 96, 64))
        image, options = opaque, {"transparency": clear}
    else:
        image = image.convert(mode)
    assert near(corners(saved(image, format, **options)), [(0, 0, 0), WHITE] * 2, 3)


def test_a_transparent_key_color_is_white(saved, corners):
    image = Image.new("RGB", (96, 64), RED)
    image.paste(BLUE, (48, 0, 96, 64))
    assert corners(saved(image, "PNG", transparency=BLUE)) == [RED, WHITE] * 2


def test_half_transparent_is_half_white(data, saved, corners):
    assert near(corners(saved(Image.new("RGBA", (9, 9), (0, 0, 0, 127)), "PNG")), (128,) * 3, 1)
    pale, _, _, white = corners(data("alpha.heic"))
    assert near(pale, (255, 191, 191), 16)
    assert near(white, WHITE, 3)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "empty_file", "empty"),
        (b"Dear diary, today", "not_an_image", "text"),
        ("Grüße".encode(), "not_an_image", "text"),
        (b"%PDF-1.7", "not_an_image", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image", "SVG"),
        (b"\n<!DOCTYPE html>", "not_an_image", "HTML"),
        (b"\0\0\0\x18ftypmp42", "not_an_image", "video"),
        (bytes(100), "not_an_image", "zeros"),
        (b"\x93\xf1\x02\x00\xee", "not_an_image", "unknown format"),
        (b"\xff\xd8\xff\xe0", "damaged_image", "image/jpeg"),
    ],
)
def test_a_file_that_is_not_an_image_is_named(content, code, message, stretched):
    with pytest.raises(UnreadableImage, match=message) as caught:
        decode(content, stretched)
    assert caught.value.code == code


def test_formats_that_run_programs_or_render_are_rejected(quadrants, saved, stretched):
    for format in ("EPS", "PDF", "ICO", "PPM", "TGA", "PCX"):
        with pytest.raises(UnreadableImage):
            decode(saved(quadrants, format), stretched)


def test_the_smallest_and_the_narrowest_images_are_read(saved, stretched):
    for size in ((1, 1), (1, 5_000), (5_000, 1)):
        picture = decode(saved(Image.new("RGB", size, RED), "PNG"), stretched)
        assert (picture.width, picture.height) == size
        assert np.allclose(picture.pixels[0], 255)
