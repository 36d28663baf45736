"""Limits: images that are too large are rejected before memory is allocated."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import DecodingLimits

HUGE = 30_000
SIZES = {
    "JPEG": (b"\xff\xc0", 5, ">HH"),
    "GIF": (b"GIF", 6, "<HH"),
    "BMP": (b"BM", 18, "<II"),
    "AVIF": (b"ispe", 8, ">II"),
    "HEIC": (b"ispe", 8, ">II"),
}


def rejection_message(data, wanted, **limits):
    decoded = []  # calls before any pixel is decoded
    with pytest.raises(UnreadableImage) as caught:
        decode(data, wanted, decoded.append, limits=DecodingLimits(**limits))
    assert decoded == []
    assert caught.value.code == "image_too_large"
    return caught.value.message


def with_size(data, marker, offset, layout):
    """The file with another size in its header."""
    start = data.index(marker) + offset
    packed = struct.pack(layout, HUGE, HUGE)
    return data[:start] + packed + data[start + len(packed) :]


def png_bomb():
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    zeros = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zeros)


def tiff_bomb():
    gray = [(256, HUGE), (257, HUGE), (258, 8), (259, 1), (262, 1), (273, 8), (278, HUGE), (279, 8)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in gray)
    return struct.pack("<2sHIH", b"II", 42, 8, len(gray)) + entries + bytes(4)


@pytest.fixture
def bomb(quadrants, saved, data):
    def make(format):
        if format in ("PNG", "TIFF"):
            return png_bomb() if format == "PNG" else tiff_bomb()
        file = data("quadrants.heic") if format == "HEIC" else saved(quadrants, format)
        return with_size(file, *SIZES[format])

    return make


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "AVIF", "HEIC"])
def test_a_decompression_bomb_is_rejected_from_its_header(format, bomb, stretched):
    assert f"{HUGE} x {HUGE} pixels, over the limit of 100 megapixels" in rejection_message(
        bomb(format), stretched
    )


def test_a_webp_bomb_is_rejected_before_its_canvas_is_allocated(stretched):
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_383).to_bytes(3, "little") * 2
    file = b"WEBP" + canvas + bytes(100)
    assert "too many pixels" in rejection_message(
        b"RIFF" + struct.pack("<I", len(file)) + file, stretched
    )


def test_images_are_decoded_up_to_the_pixel_limit(quadrants, saved, stretched):
    file = saved(quadrants, "PNG")
    assert decode(file, stretched, limits=DecodingLimits(pixels=96 * 64)).width == 96
    assert "96 x 64" in rejection_message(file, stretched, pixels=96 * 64 - 1)


def test_a_file_over_the_byte_limit_is_rejected(quadrants, saved, stretched):
    file = saved(quadrants, "PNG")
    assert f"{len(file)} bytes" in rejection_message(file, stretched, file_bytes=len(file) - 1)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "TIFF", "BMP"])
def test_an_image_over_the_memory_limit_is_rejected(format, saved, stretched):
    file = saved(Image.new("RGB", (1_000, 1_000)), format)
    message = rejection_message(file, stretched, memory_bytes=3_900_000)
    assert "when decoded, over the limit of 3 MB" in message


def test_a_large_jpeg_is_decoded_reduced_unless_progressive(saved, stretched):
    image, needed = Image.new("RGB", (2_000, 2_000)), []
    for progressive in (False, True):
        file = saved(image, "JPEG", progressive=progressive)
        decode(file, stretched, needed.append)
    plain, progressive = needed
    assert plain < 1_200_000
    assert progressive > 12_000_000


def test_a_jpeg_can_declare_more_pixels_than_are_decoded(saved, stretched):
    """Photos of 200 megapixels are decoded at one eighth of their size."""
    file = saved(Image.new("RGB", (1_600, 1_200)), "JPEG")
    picture = decode(file, stretched, limits=DecodingLimits(pixels=400 * 300))
    assert (picture.width, picture.height) == (1_600, 1_200)


def test_a_long_jpeg_that_cannot_be_reduced_is_rejected(saved, stretched):
    """Every pixel of the short side is needed."""
    file = saved(Image.new("RGB", (60_000, 40)), "JPEG")
    assert "60000 x 40 pixels, over the limit" in rejection_message(file, stretched, pixels=10**6)


@pytest.mark.parametrize("scans", ["progressive", "one for each component"])
def test_a_jpeg_whose_coefficients_take_too_much_memory_is_rejected(scans, saved, stretched):
    file = saved(Image.new("RGB", (2_000, 2_000)), "JPEG", progressive=True)
    if scans != "progressive":
        # A sequential frame whose first scan has one of three components.
        start = file.index(b"\xff\xc2")
        file = file[:start] + b"\xff\xc0" + file[start + 2 :]
        scan = file.index(b"\xff\xda")
        end = scan + 2 + int.from_bytes(file[scan + 2 : scan + 4], "big")
        file = file[:scan] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + file[end:]
    assert "needs 14 MB when decoded" in rejection_message(file, stretched, memory_bytes=12_000_000)


def test_a_tiff_tile_larger_than_its_image_is_rejected(stretched):
    tile = [(256, 64), (257, 64), (258, 8), (259, 5), (262, 1)]
    tile += [(322, HUGE), (323, HUGE), (324, 8), (325, 8)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tile)
    file = struct.pack("<2sHIH", b"II", 42, 8, len(tile)) + entries + bytes(4)
    assert "3,601 MB when decoded" in rejection_message(file, stretched)
