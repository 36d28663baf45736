"""Memory for decoding the largest images, measured in a process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.decoding.workers.pool import MEMORY_BYTES, DecoderPool
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

MEASURING = (sys.executable, "-P", str(Path(__file__).with_name("measuring_decoder.py")))
SIDE = 10_000
# The image takes 400 MB; the interpreter and its libraries about 40 MB.
MOST = 500 * 10**6
ALL = DetailOptions(thumbnail=True)


@pytest.mark.parametrize("channels", [3, 4])
def test_an_image_of_100_megapixels_is_in_memory_once(channels, flat_png, stretched, corners):
    pool = DecoderPool(processes=1, seconds=PATIENCE_SECONDS, command=MEASURING)
    (picture,) = pool.decode_in_order([flat_png(SIDE, SIDE, channels)], stretched, ALL)
    pool.close()
    assert isinstance(picture, Picture)
    assert (picture.width, picture.height) == (SIDE, SIDE)
    assert 400 * 10**6 < int(picture.content_type) < MOST < MEMORY_BYTES
    gray = 128 if channels == 3 else 191
    assert corners(picture) == [(gray,) * 3] * 4


def test_a_narrow_image_of_many_pixels_is_in_memory_once(flat_png, stretched):
    pool = DecoderPool(processes=1, seconds=PATIENCE_SECONDS, command=MEASURING)
    (picture,) = pool.decode_in_order([flat_png(40, 1_000_000, 3)], stretched, ALL)
    pool.close()
    assert isinstance(picture, Picture)
    assert int(picture.content_type) < 300 * 10**6
