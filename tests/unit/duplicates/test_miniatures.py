"""Claims: a miniature keeps how a picture looks inside its frame, and says when it is none."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from imagesearch.duplicates.miniatures import from_text, to_text
from imagesearch.duplicates.similarity import hash_distance
from imagesearch.embedding.decoding.details import inside_frame, miniature
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from tests.support.drawings import drawing


def test_greys_come_back_as_they_went_in():
    greys = np.arange(576, dtype=np.float32).reshape(24, 24) % 64
    found, ratio = from_text(to_text(greys, 1.5))
    assert (found == greys).all()
    assert ratio == 1.5


@pytest.mark.parametrize("ratio", [1 / 30_000, 0.0004, 0.001])
def test_a_picture_however_thin_has_a_ratio_above_nothing(ratio):
    greys = np.zeros((24, 24), np.float32)
    text = to_text(greys, ratio)
    assert from_text(text)[1] == 0.001
    assert from_text("0.000" + text[5:])[1] == 0.001  # as older releases wrote it


def test_brightness_and_contrast_make_no_difference():
    greys = np.arange(576, dtype=np.float32).reshape(24, 24) % 64
    assert to_text(greys * 3 + 20, 1.0) == to_text(greys, 1.0)


def test_a_miniature_is_short_and_plain_ascii():
    text = miniature(drawing(1))
    assert text.isascii()
    assert len(text) < 600


@pytest.mark.parametrize(
    "text",
    [
        *("", "1.0:", "1.0:AAAA", "x:" + "A" * 576, "1.0:" + "!" * 576),
        *(f"{ratio}:" + "A" * 768 for ratio in ("nan", "inf", "-1.000", "1e999", "")),
    ],
)
def test_what_is_no_miniature_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_frame_of_one_colour_is_left_out(colour):
    framed = ImageOps.expand(drawing(1), (30, 10, 5, 80), colour)
    assert inside_frame(framed).size == pytest.approx((320, 240), abs=3)


@pytest.mark.parametrize("size", [(1, 1), (320, 1), (64, 64)])
def test_a_picture_of_one_colour_is_no_frame(size):
    assert inside_frame(Image.new("L", size, 200)).size == size


def test_a_small_thing_on_a_plain_ground_is_not_cut_out_of_it():
    ground = Image.new("L", (300, 300), 255)
    ground.paste(drawing(1, 30, 30), (130, 130))
    assert inside_frame(ground).size == (300, 300)


def test_a_mirrored_picture_has_the_same_hash_for_what_distance_means():
    picture = drawing(4)
    assert hash_distance(perceptual_hash(picture), perceptual_hash(ImageOps.mirror(picture))) == 0


def test_hashes_of_other_pictures_are_far_away():
    hashes = [perceptual_hash(drawing(seed)) for seed in range(8)]
    assert min(hash_distance(hashes[0], other) for other in hashes[1:]) > 12
