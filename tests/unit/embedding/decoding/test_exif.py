"""EXIF: capture times; a damaged EXIF does not reject an image."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from PIL import Image

from imagesearch.embedding.decoding.decoder import decode

NOON = "2024:07:01 12:00:00"
MAKER, EXIF, ORIGINAL, OFFSET = 0x010F, 0x8769, 0x9003, 0x9011


@pytest.fixture
def dated(quadrants, saved, stretched):
    def when(date, offset=None, format="JPEG"):
        exif = Image.Exif()
        exif[MAKER] = "a maker"
        exif.get_ifd(EXIF)[ORIGINAL] = date
        if offset is not None:
            exif.get_ifd(EXIF)[OFFSET] = offset
        exif[EXIF] = exif.get_ifd(EXIF)  # TIFF writes only values that are set this way
        return decode(saved(quadrants, format, exif=exif), stretched).taken_at

    return when


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_date_is_read_from_every_format_with_exif(dated, format):
    taken = dated("2024:07:01 12:00:00", "+02:00", format)
    assert taken == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_the_date_is_read_from_heic(data, stretched):
    taken = decode(data("quadrants.heic"), stretched).taken_at
    assert taken == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_a_date_without_offset_is_read_as_utc(dated):
    assert dated("2024:07:01 12:00:00") == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert dated("2024:07:01 12:00:00", "   :  ") == datetime(2024, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "offset", "recorded"),
    [(NOON, "+02:00", "+02:00"), (NOON, "-09:30", "-09:30"), (NOON, "+00:00", "+00:00"),
     (NOON, "Z", "+00:00"), (NOON, "   :  ", None), (NOON, "two hours", None), (NOON, None, None),
     ("0000:00:00 00:00:00", "+02:00", None), ("9999:12:31 23:59:59", "-02:00", None)],
)  # fmt: skip
def test_the_offset_of_the_clock_is_read_if_it_and_the_date_are_valid(
    date, offset, recorded, quadrants, saved, stretched
):
    exif = Image.Exif()
    exif.get_ifd(EXIF)[ORIGINAL] = date
    if offset is not None:
        exif.get_ifd(EXIF)[OFFSET] = offset
    file = saved(quadrants, "JPEG", exif=exif)
    assert decode(file, stretched).taken_offset == recorded


@pytest.mark.parametrize(
    "garbage",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "", "yesterday", "2024:13:01 12:00:00",
     "0001:01:01 00:00:00 and more", "2024:02:30 12:00:00", "2024:07:01"],
)  # fmt: skip
def test_an_invalid_date_is_none(dated, garbage):
    assert dated(garbage) is None


def test_the_minimum_and_maximum_date_do_not_overflow(dated):
    assert dated("0001:01:01 00:00:00", "+14:00") is None
    assert dated("9999:12:31 23:59:59", "-12:00") is None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "block",
    [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xaa\xaa\xaa",
     b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0"],
)  # fmt: skip
def test_a_damaged_exif_rejects_no_image(format, block, quadrants, saved, stretched):
    picture = decode(saved(quadrants, format, exif=block), stretched)
    assert (picture.width, picture.height, picture.taken_at) == (96, 64, None)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIC"])
def test_an_overwritten_exif_rejects_no_image(format, quadrants, saved, data, stretched):
    exif = Image.Exif()
    exif[MAKER] = "a maker"
    file = data("quadrants.heic") if format == "HEIC" else saved(quadrants, format, exif=exif)
    start = max(file.rfind(b"MM\0*"), file.rfind(b"II*\0"))
    assert start > 0
    picture = decode(file[:start] + b"\xff" * 8 + file[start + 8 :], stretched)
    assert (picture.width, picture.height, picture.taken_at) == (96, 64, None)
