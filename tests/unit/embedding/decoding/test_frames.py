"""Frames: the first frame of an animation or multi-page file that is not blank is used."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.frames import MAX_FRAMES
from imagesearch.embedding.decoding.preprocessing import DecodingLimits

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = [RED, GREEN, BLUE, WHITE]
FORMATS = {
    "GIF": {},
    "PNG": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 90},
    "TIFF": {},
    "MPO": {"quality": 95},
}
ALPHA = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


@pytest.fixture
def animation(saved):
    def make(format, frames, **options):
        # Saving adds options of the format to the image.
        first, *others = [frame.copy() for frame in frames]
        options = FORMATS[format] | {"save_all": True, "append_images": others} | options
        return saved(first, format, **options)

    return make


def plain(color, size=(96, 64)):
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[1 if isinstance(color, int) else len(color)]
    return Image.new(mode, size, color)


def is_quadrants(found):
    return np.abs(np.subtract(found, QUADRANTS)).max() <= 40


@pytest.mark.parametrize("empty", [(0, 0, 0), WHITE, (90, 120, 30)], ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_blank_frames_are_skipped(format, empty, animation, quadrants, corners):
    # Encoders drop frames that equal the previous one.
    second = tuple(min(255, value + 40) if value < 200 else value - 40 for value in empty)
    file = animation(format, [plain(empty), plain(second), quadrants, plain(empty)])
    assert is_quadrants(corners(file))


@pytest.mark.parametrize("format", ALPHA)
def test_transparent_frames_are_skipped(format, animation, quadrants, corners):
    file = animation(format, [plain((10, 200, 30, 0)), quadrants.convert("RGBA")])
    assert is_quadrants(corners(file))


@pytest.mark.parametrize("format", FORMATS)
def test_a_first_frame_with_content_is_used(format, animation, quadrants, corners):
    turned = quadrants.transpose(Image.Transpose.ROTATE_180)
    assert is_quadrants(corners(animation(format, [quadrants, turned])))


@pytest.mark.parametrize("format", FORMATS)
def test_the_first_frame_is_used_if_all_frames_are_blank(format, animation, corners):
    file = animation(format, [plain(RED), plain(BLUE), plain(GREEN)])
    assert np.abs(np.subtract(corners(file), RED)).max() <= 20


def test_only_the_first_frames_are_searched_for_content(animation, quadrants, corners):
    grays = [plain(value) for value in range(MAX_FRAMES)]
    assert is_quadrants(corners(animation("TIFF", [*grays[:-1], quadrants])))
    assert not is_quadrants(corners(animation("TIFF", [*grays, quadrants])))


def test_the_size_is_that_of_the_selected_frame(animation, quadrants, stretched):
    for format in ("TIFF", "MPO"):
        picture = decode(animation(format, [plain(WHITE, (40, 30)), quadrants]), stretched)
        assert (picture.width, picture.height) == quadrants.size


def test_the_second_image_of_an_mpo_is_complete_in_draft_mode(
    animation, quadrants, stretched, corners
):
    large = quadrants.resize((2_400, 1_600), Image.Resampling.NEAREST)
    file = animation("MPO", [plain(WHITE, large.size), large])
    picture = decode(file, stretched)
    assert (picture.width, picture.height) == large.size
    assert is_quadrants(corners(picture))


def test_a_default_image_outside_the_animation_is_skipped(animation, quadrants, corners):
    """Browsers show the animation and never the default image."""
    other = quadrants.transpose(Image.Transpose.ROTATE_180)
    file = animation("PNG", [other, quadrants, plain(RED)], default_image=True)
    assert is_quadrants(corners(file))


def pages(*pages):
    """A TIFF of pages, each with a subfile type (tag 254)."""
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, new=True) as writer:
        for image, kind in pages:
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[254] = kind
            image.save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    return file.getvalue()


@pytest.mark.parametrize("kind", [1, 4, 5])
def test_reduced_images_and_masks_are_not_pages(kind, quadrants, corners, stretched):
    small = quadrants.transpose(Image.Transpose.ROTATE_180).resize((48, 32))
    file = pages((small, kind), (quadrants, 0))
    assert is_quadrants(corners(file))
    assert decode(file, stretched).width == quadrants.width


def test_a_single_reduced_image_is_used(quadrants, corners):
    assert is_quadrants(corners(pages((quadrants, 1))))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_damaged_later_frame_is_ignored(format, animation, saved, corners):
    noise = Image.frombytes("RGB", (96, 64), np.random.default_rng(0).bytes(96 * 64 * 3))
    file = bytearray(animation(format, [plain(RED), noise]))
    start = len(file) * 6 // 10
    file[start : start + 60] = bytes(range(60))
    found = corners(bytes(file))
    assert len(found) == 4


def test_a_later_frame_over_the_size_limit_is_ignored(animation, quadrants, stretched, corners):
    file = animation("TIFF", [plain(RED), quadrants.resize((960, 640))])
    picture = decode(file, stretched, limits=DecodingLimits(pixels=96 * 64))
    assert np.abs(np.subtract(corners(picture), RED)).max() <= 1


def test_partial_frames_are_composited(animation, corners):
    """The second frame of this GIF is partial and drawn over the first."""
    half = plain(WHITE)
    half.paste(RED, (0, 0, 48, 64))
    file = animation("GIF", [plain(WHITE), half], disposal=1)
    assert np.abs(np.subtract(corners(file), [RED, WHITE, RED, WHITE])).max() <= 2


def test_the_primary_image_of_a_heic_is_used(data, corners):
    assert is_quadrants(corners(data("quadrants.heic")))


def test_a_gif_without_its_second_frame_is_read(animation, quadrants, corners):
    file = animation("GIF", [plain(RED), quadrants])
    cut = file[: file.index(b"\x2c", file.index(b"\x2c") + 20)]
    assert np.abs(np.subtract(corners(cut + b";"), RED)).max() <= 1


def test_a_png_that_declares_too_many_frames_is_read(animation, corners):
    file = animation("PNG", [plain(RED), plain(BLUE)])
    start = file.index(b"acTL") + 4
    body = struct.pack(">II", 900, 0)
    more = file[:start] + body + struct.pack(">I", zlib.crc32(b"acTL" + body)) + file[start + 12 :]
    assert np.abs(np.subtract(corners(more), RED)).max() <= 1
