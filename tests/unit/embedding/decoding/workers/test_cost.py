"""Claims: the cost of decoding is limited, and that of a query is in proportion to its size."""

from __future__ import annotations

import struct

import pillow_jxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagesearch.domain.deadline import query
from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.decoder import decode, open_image
from imagesearch.embedding.decoding.jpeg import MAX_SCANNED_SAMPLES, MAX_SCANS, check_scans
from imagesearch.embedding.decoding.preprocessing import (
    DecodingCost,
    DecodingLimits,
    Picture,
    Preprocessing,
)
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from imagesearch.embedding.decoding.workers.process import CpuBudget
from tests.support.images.costly_images import large_webp, many_scans, saved
from tests.support.waiting import PATIENCE_SECONDS

WANTED = Preprocessing(8, "pad", "bicubic", (0,) * 3, (1,) * 3, (0,) * 3)


def opened(file: bytes) -> Image.Image:
    return open_image(file, DecodingLimits())


def is_rejected(file: bytes) -> bool:
    """Reads no pixel: the file is only opened."""
    try:
        check_scans(opened(file), file)
    except UnreadableImage as error:
        return error.code == "image_too_complex"
    return False


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_progressive_photo_is_decoded_and_one_with_hundreds_of_scans_is_not(mode):
    assert decode(saved(Image.new(mode, (64, 64)), "JPEG", progressive=True), WANTED).width == 64
    assert decode(many_scans(MAX_SCANS, mode=mode), WANTED).width == 64
    with pytest.raises(UnreadableImage) as caught:
        decode(many_scans(MAX_SCANS + 1, mode=mode), WANTED)
    assert caught.value.code == "image_too_complex"


def test_the_samples_of_all_scans_are_limited():
    side = 9_900
    fits = MAX_SCANNED_SAMPLES // side**2

    def file(scans: int) -> bytes:
        small = many_scans(scans)
        size = small.index(b"\xff\xc2") + 5
        return small[:size] + struct.pack(">HH", side, side) + small[size + 4 :]

    assert not is_rejected(file(fits))
    assert is_rejected(file(fits + 1))


def test_scans_of_thumbnails_and_of_appended_videos_do_not_count():
    file = saved(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    segment = b"\xff\xe1" + (2 + 300 * len(scan)).to_bytes(2, "big") + scan * 300
    assert not is_rejected(file[:2] + segment + file[2:] + scan * 300)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.integers(0, 400),
    st.lists(st.sampled_from([b"", b"\xff\0", b"\xff\xd0", b"\xff\xff", b"\1\2", b"\xff\1"])),
)
def test_filling_between_scans_hides_none(count, filling):
    file = many_scans(11)
    scan = b"".join(filling) + file[file.rindex(b"\xff\xda") : -2]
    assert is_rejected(file[:-2] + scan * count + file[-2:]) == (11 + count > MAX_SCANS)


def test_the_scans_of_a_jpeg_in_a_jpeg_xl_file_are_limited(monkeypatch):
    """The encoder of libjxl writes no such file."""
    recompressed = True, None, many_scans(MAX_SCANS + 1), b"", []
    monkeypatch.setattr(pillow_jxl, "Decoder", lambda num_threads: lambda content: recompressed)
    with pytest.raises(UnreadableImage) as caught:
        decode(saved(Image.new("RGB", (64, 64)), "JXL"), WANTED)
    assert caught.value.code == "image_too_complex"


@given(st.integers(0, 64 * 2**20))
def test_the_cost_of_a_query_is_in_proportion_to_its_size(size):
    cost, double = DecodingCost.of_query(size), DecodingCost.of_query(2 * size)
    for one, two in (
        (cost.cpu_seconds, double.cpu_seconds),
        (cost.memory_bytes, double.memory_bytes),
    ):
        assert one <= two <= 2 * one
    if size <= 100_000:
        assert (cost.cpu_seconds, cost.memory_bytes) == (2, 240 * 10**6)


@pytest.fixture(scope="module")
def pool():
    made = DecoderPool(processes=1, seconds=PATIENCE_SECONDS)
    yield made
    made.close()


def codes(pool, *files):
    results = pool.decode_in_order(files, WANTED)
    return [None if isinstance(each, Picture) else each.code for each in results]


@pytest.mark.slow
def test_a_small_query_takes_little_memory_and_an_indexed_image_may_take_more(pool):
    with query():
        assert codes(pool, large_webp(3_900)) == ["image_too_large"]
    assert codes(pool, large_webp(3_900)) == [None]


@pytest.mark.slow
def test_the_images_of_a_query_have_one_budget_of_cpu_time(pool):
    """Two seconds for all: every file alone is within its limit."""
    small = saved(Image.new("RGB", (8, 8)), "PNG")
    costly = large_webp(3_800)
    with query():
        found = codes(pool, small, *[costly] * 60)
    assert found[0] is None
    assert "decoder_timeout" in found
    assert set(found) <= {None, "decoder_timeout"}


def test_a_budget_is_spent_by_all_files():
    budget = CpuBudget(3)
    budget.spend(2)
    assert budget.limited(DecodingCost()).cpu_seconds == 1
    budget.spend(2)
    assert budget.limited(DecodingCost()).cpu_seconds <= 0
