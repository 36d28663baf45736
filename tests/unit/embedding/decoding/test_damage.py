"""Damaged files: any bytes result in an image or UnreadableImage."""

from __future__ import annotations

import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import DecodingLimits, Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from tests.support.waiting import PATIENCE_SECONDS

WANTED = Preprocessing(16, "pad", "bicubic", (0, 0, 0), (1, 1, 1), (0, 0, 0))
SMALL = DecodingLimits(pixels=10**6, memory_bytes=50 * 10**6)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"]
STARTS = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"",
          b"RIFF\x40\0\0\0WEBPVP8 ", b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypheic"]  # fmt: skip


@pytest.fixture(scope="module")
def files(data):
    noise = Image.frombytes("RGB", (80, 60), random.Random(0).randbytes(80 * 60 * 3))

    def save(format):
        file = io.BytesIO()
        noise.save(file, format)
        return file.getvalue()

    return {name: data("quadrants.heic") if name == "HEIC" else save(name) for name in FORMATS}


@pytest.fixture(scope="module")
def children():
    pool = DecoderPool(seconds=PATIENCE_SECONDS)
    yield pool
    pool.close()


def decodes_or_rejects(data):
    try:
        picture = decode(data, WANTED, limits=SMALL)
    except UnreadableImage:
        return
    assert picture.pixels.shape == (3, 16, 16)


def test_an_error_without_a_text_leaves_no_colon_in_the_reason():
    """Pillow asserts that a PNG with indexed colors has a palette."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    png = bytearray(file.getvalue())
    png[25] = 3  # indexed colors
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    with pytest.raises(UnreadableImage) as caught:
        decode(bytes(png), WANTED)
    assert str(caught.value) == "the image is damaged or truncated"


@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_rejected(format, part, files):
    file = files[format]
    with pytest.raises(UnreadableImage) as caught:
        decode(file[: int(len(file) * part)], WANTED)
    assert caught.value.code == "damaged_image"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_random_bytes_raise_only_unreadable_image(start, rest):
    decodes_or_rejects(start + rest)


EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)
KEPT = st.floats(0.5, 1)


def mutated(file, edits, kept):
    changed = bytearray(file)
    for place, new in edits:
        # Squared, to concentrate mutations on the headers at the beginning.
        at = int(place**2 * len(changed))
        changed[at : at + len(new)] = new
    return bytes(changed[: int(len(changed) * kept)])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(FORMATS[:-1]), EDITS, KEPT)
def test_a_mutated_file_raises_only_unreadable_image(files, format, edits, kept):
    decodes_or_rejects(mutated(files[format], edits, kept))


@pytest.mark.slow
@settings(derandomize=True, max_examples=100, deadline=None)
@given(EDITS, KEPT)
def test_a_mutated_heic_file_raises_only_unreadable_image(files, children, edits, kept):
    # In a child process, because mutated HEIC files crash libheif.
    file = mutated(files["HEIC"], edits, kept)
    (result,) = children.decode_in_order([file], WANTED)
    assert isinstance(result, Picture | UnreadableImage)


@pytest.mark.slow
def test_a_file_that_crashes_libheif_affects_no_other(files, data, children):
    deadly = data("kills-libheif-1.23.0.heic")
    before, culprit, after = children.decode_in_order([files["PNG"], deadly, files["HEIC"]], WANTED)
    assert isinstance(culprit, UnreadableImage)
    assert isinstance(before, Picture)
    assert isinstance(after, Picture)
