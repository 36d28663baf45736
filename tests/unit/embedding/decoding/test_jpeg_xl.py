"""JPEG XL: orientation, and size limits before pixels are decoded."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pillow_jxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.domain.media_types import SNIFF_BYTES, sniff
from imagesearch.embedding.decoding import jpeg_xl
from imagesearch.embedding.decoding.decoder import decode, decoder_name
from imagesearch.embedding.decoding.preprocessing import DecodingLimits, Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = [RED, GREEN, BLUE, WHITE]
ORIENTATION, MODEL, EXIF = 0x0112, 0x0110, 0x8769
LOSSY = 12
ALL = DetailOptions(thumbnail=True)
WANTED = Preprocessing(16, "stretch", "bicubic", (0, 0, 0), (1 / 255,) * 3, (0, 0, 0))

assert pillow_jxl, "Pillow writes JPEG XL once it is imported"


@pytest.fixture(scope="module")
def noted() -> Image.Exif:
    tags = Image.Exif()
    tags[MODEL] = "X100"
    tags[EXIF] = {36867: "2024:07:01 10:00:00"}
    return tags


@pytest.fixture(scope="module")
def children():
    pool = DecoderPool()
    yield pool
    pool.close()


@pytest.fixture
def from_jpeg(tmp_path, saved):
    """A JPEG, and its lossless transcoding to JPEG XL."""

    def pack(image, **options):
        path = tmp_path / "picture.jpg"
        image.save(path, quality=95, **options)
        with Image.open(path) as opened:
            return path.read_bytes(), saved(opened, "JXL", lossless_jpeg=True)

    return pack


def near(found, wanted, by=LOSSY):
    return np.abs(np.subtract(found, wanted)).max() <= by


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_picture_is_read(container, lossless, quadrants, saved, stretched, corners):
    file = saved(quadrants, "JXL", lossless=lossless, use_container=container)
    picture = decode(file, stretched, details=ALL)
    assert (picture.width, picture.height, picture.content_type) == (96, 64, "image/jxl")
    assert near(corners(picture), QUADRANTS)
    assert sniff(file[:SNIFF_BYTES]) == "image/jxl"


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16", "F"])
def test_a_mode_is_read_as_gray_or_color(mode, saved, corners):
    levels = np.zeros((64, 96), np.uint8)
    levels[:, 48:] = 255
    image = Image.fromarray(levels)
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(levels.astype(np.float32) / 255)
    else:
        image = image.convert(mode)
    assert near(corners(saved(image, "JXL", lossless=True)), [(0, 0, 0), WHITE] * 2)


def test_transparent_pixels_are_white(saved, corners):
    image = Image.new("RGBA", (96, 64), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (48, 0, 96, 64))
    assert near(corners(saved(image, "JXL", lossless=True)), [(0, 0, 0), WHITE] * 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_does_not_rotate_a_decoded_jpeg_xl_again(
    orientation, quadrants, saved, noted, stretched, corners
):
    """The orientation of the codestream takes precedence over EXIF (ISO/IEC 18181-2)."""
    tags = Image.Exif()
    tags.update({**noted, ORIENTATION: orientation})
    picture = decode(saved(quadrants, "JXL", exif=tags.tobytes()), stretched)
    assert (picture.width, picture.height) == (96, 64)
    assert near(corners(picture), QUADRANTS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True])
def test_a_transcoded_jpeg_is_decoded_like_the_jpeg(
    orientation, progressive, quadrants, from_jpeg, noted, stretched
):
    tags = Image.Exif()
    tags.update({**noted, ORIENTATION: orientation})
    jpeg, packed = from_jpeg(quadrants, exif=tags, progressive=progressive)
    one, other = (decode(each, stretched, details=ALL) for each in (jpeg, packed))
    assert (one.width, one.height) == (other.width, other.height)
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.details, one.taken_at) == (other.details, other.taken_at)
    assert other.content_type == "image/jxl"


def test_date_and_camera_are_read(quadrants, saved, noted, stretched):
    picture = decode(saved(quadrants, "JXL", exif=noted.tobytes()), stretched, details=ALL)
    assert picture.taken_at == datetime(2024, 7, 1, 10, 0, tzinfo=UTC)
    assert picture.details.exif == {"camera": "X100"}


SIDES = st.one_of(st.integers(1, 40), st.integers(1, 32).map(lambda part: 8 * part))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(SIDES, SIDES, st.booleans())
def test_the_size_is_read_from_the_header(width, height, container):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JXL", effort=1, use_container=container)
    assert jpeg_xl.declared_size(file.getvalue()) == (width, height)


@pytest.mark.parametrize("size", [(640, 480), (1_920, 1_080), (3_000, 3_000), (9_000, 300)])
def test_a_large_size_is_read_from_the_header(size, saved):
    assert jpeg_xl.declared_size(saved(Image.new("L", size), "JXL", effort=1)) == size


def with_size(width, height):
    """A codestream header of this size, without image data."""
    bits, at = 0, 0
    for value, count in ((0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30)):
        bits |= value << at
        at += count
    return b"\xff\x0a" + bits.to_bytes(9, "little") + bytes(50)


def test_a_decompression_bomb_is_rejected_from_its_header(stretched):
    for file in (
        with_size(30_000, 30_000),
        b"\0\0\0\x0cJXL \r\n\x87\n" + (73).to_bytes(4, "big") + b"jxlc" + with_size(30_000, 30_000),
    ):
        with pytest.raises(UnreadableImage, match="30000 x 30000 pixels, over the limit") as caught:
            decode(file, stretched)
        assert caught.value.code == "image_too_large"


def test_an_image_over_the_memory_limit_is_rejected(saved, stretched):
    file = saved(Image.new("RGB", (1_000, 1_000)), "JXL", effort=1)
    with pytest.raises(UnreadableImage, match="when decoded, over the limit of 15 MB") as caught:
        decode(file, stretched, limits=DecodingLimits(memory_bytes=15_900_000))
    assert caught.value.code == "image_too_large"


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("container", [False, True])
def test_a_truncated_file_is_rejected(part, container, saved, stretched):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    file = saved(Image.fromarray(noise), "JXL", use_container=container)
    with pytest.raises(UnreadableImage) as caught:
        decode(file[: int(len(file) * part)], stretched)
    assert caught.value.code == "damaged_image"


EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=8
)


@pytest.mark.slow
@settings(derandomize=True, max_examples=80, deadline=None)
@given(EDITS, st.floats(0.5, 1), st.booleans())
def test_a_mutated_file_raises_only_unreadable_image(quadrants, children, edits, kept, container):
    file = io.BytesIO()
    quadrants.save(file, "JXL", use_container=container)
    changed = bytearray(file.getvalue())
    for place, new in edits:
        at = int(place**2 * len(changed))
        changed[at : at + len(new)] = new
    (result,) = children.decode_in_order([bytes(changed[: int(len(changed) * kept)])], WANTED)
    assert isinstance(result, Picture | UnreadableImage)


def test_the_decoder_name_contains_the_versions_of_lazily_imported_decoders():
    for module, package in (("rawpy", "rawpy"), ("pillow_jxl", "pillow-jxl-plugin")):
        assert f" {module}-{version(package)}" in decoder_name()
