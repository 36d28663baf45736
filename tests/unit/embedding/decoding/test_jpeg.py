"""Truncated JPEG files: the existing rows are decoded and marked as truncated."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool

THIRD = 1 / 255
WANTED = Preprocessing(32, "stretch", "bicubic", (0, 0, 0), (THIRD,) * 3, (0, 0, 0))
WIDTH, HEIGHT = 640, 480
OPTIONS = [
    {},
    {"progressive": True},
    {"subsampling": 0},
    {"restart_marker_rows": 2},
    {"progressive": True, "subsampling": 0},
]


def noise(mode="RGB"):
    """An image whose rows compress equally, so that half of the bytes has half of the rows."""
    values = np.random.default_rng(0).integers(0, 256, (HEIGHT // 5, WIDTH // 5), np.uint8)
    return Image.fromarray(values).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).convert(mode)


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_three_quarters_of_a_file_are_decoded_and_marked_as_truncated(mode, options):
    file = jpeg(noise(mode), **options)
    picture = decode(file[: len(file) * 3 // 4], WANTED, details=DetailOptions(thumbnail=True))
    assert picture.truncated
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    small = Image.open(io.BytesIO(picture.details.thumbnail))
    rows = 1 if "progressive" in options else 3 / 4
    assert small.height / small.width == pytest.approx(rows * HEIGHT / WIDTH, rel=0.06)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_only_existing_rows_are_embedded(options):
    """Red increases from the first row to the last."""
    grows = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    file = jpeg(Image.merge("RGB", [grows, noise("L"), noise("L")]), **options)
    cut = file[: len(file) * 4 // 5]
    whole, existing = (decode(each, WANTED).pixels[0, -1].mean() for each in (file, cut))
    assert whole > 235
    assert existing == pytest.approx(whole if "progressive" in options else 200, abs=16)


@pytest.mark.parametrize("part", [0.05, 0.2, 0.4])
def test_a_file_with_less_than_half_of_its_rows_is_rejected(part):
    file = jpeg(noise())
    with pytest.raises(UnreadableImage, match=r"truncated: \d+% of its rows exist") as caught:
        decode(file[: int(len(file) * part)], WANTED)
    assert caught.value.code == "damaged_image"


def test_a_progressive_file_with_an_incomplete_first_scan_is_rejected():
    file = jpeg(noise(), progressive=True)
    first = file.index(b"\xff\xda")
    with pytest.raises(UnreadableImage):
        decode(file[: first + 200], WANTED)


@pytest.mark.parametrize("value", [0, 127, 128, 255])
def test_existing_rows_of_one_color_are_counted(value):
    """Black, white and the gray of libjpeg for missing rows can be valid image content."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (value,) * 3)
    image.paste(noise().crop((0, 0, WIDTH, 40)))
    file = jpeg(image)
    picture = decode(file[:-2], WANTED, details=DetailOptions(thumbnail=True))
    assert picture.truncated
    small = Image.open(io.BytesIO(picture.details.thumbnail))
    assert small.height / small.width == pytest.approx(HEIGHT / WIDTH, rel=0.05)
    assert np.abs(picture.pixels[:, -1] - value).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_truncated_file_is_applied(orientation):
    image = Image.new("RGB", (WIDTH, HEIGHT), "red")
    image.paste("blue", (0, 0, WIDTH // 2, HEIGHT))
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = jpeg(image, exif=exif)
    cut = whole[: whole.index(b"\xff\xda") + (len(whole) - whole.index(b"\xff\xda")) * 3 // 4]
    one, other = decode(whole, WANTED), decode(cut, WANTED)
    assert (one.width, one.height) == (other.width, other.height)
    assert np.abs(one.pixels - other.pixels).mean() < 4


def test_trailing_zeros_count_as_truncation():
    file = jpeg(noise())
    existing = len(file) * 3 // 4
    picture = decode(file[:existing] + bytes(len(file) - existing), WANTED)
    assert picture.truncated
    assert np.array_equal(picture.pixels, decode(file[:existing], WANTED).pixels)


def test_a_complete_file_is_not_truncated_and_other_truncated_formats_are_rejected():
    assert not decode(jpeg(noise()), WANTED).truncated
    file = io.BytesIO()
    noise().save(file, "PNG")
    with pytest.raises(UnreadableImage):
        decode(file.getvalue()[: len(file.getvalue()) * 9 // 10], WANTED)


def test_a_truncated_file_in_draft_mode_has_the_same_rows():
    large = noise().resize((4_000, 3_000))
    file = jpeg(large)
    picture = decode(file[: len(file) * 3 // 4], WANTED, details=DetailOptions(thumbnail=True))
    assert picture.truncated
    assert (picture.width, picture.height) == (4_000, 3_000)
    small = Image.open(io.BytesIO(picture.details.thumbnail))
    assert small.height / small.width == pytest.approx(0.75 * 0.75, rel=0.05)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.sampled_from(OPTIONS), st.floats(0, 1), st.booleans())
def test_a_file_truncated_anywhere_is_decoded_or_rejected_with_a_reason(options, part, zeros):
    file = jpeg(noise(), **options)
    kept = int(len(file) * part)
    cut = file[:kept] + (bytes(len(file) - kept) if zeros else b"")
    try:
        picture = decode(cut, WANTED)
    except UnreadableImage:
        # The first scan of a progressive file, a fraction of its bytes, has all rows.
        assert part < (0.35 if "progressive" in options else 0.65)
    else:
        assert picture.truncated or kept >= len(file) - 2
        assert (picture.width, picture.height) == (WIDTH, HEIGHT)


@pytest.mark.slow
def test_the_truncation_mark_is_returned_by_the_decoder_process():
    file = jpeg(noise())
    pool = DecoderPool(processes=1)
    whole, cut = pool.decode_in_order([file, file[: len(file) * 3 // 4]], WANTED)
    pool.close()
    assert (whole.truncated, cut.truncated) == (False, True)
