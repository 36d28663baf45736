"""Claims: a picture is found in what it was cut from or framed by, and in no other."""

import pytest
from PIL import ImageOps

from imagesearch.overlap import overlap

from .drawings import drawing, mini

WHOLE = drawing(1)
PARTS = {
    "the same": lambda picture: picture,
    "an 80 % crop": lambda picture: picture.crop((20, 30, 300, 220)),
    "a crop to the half of each side": lambda picture: picture.crop((100, 60, 260, 180)),
    "a crop of another shape": lambda picture: picture.crop((60, 0, 240, 240)),
    "a mirrored crop": lambda picture: ImageOps.mirror(picture.crop((20, 30, 300, 220))),
    "a darker copy": lambda picture: picture.point(lambda level: level // 2),
    "a black frame": lambda picture: ImageOps.expand(picture, 60, 0),
    "a white bar": lambda picture: ImageOps.expand(picture, (0, 0, 0, 80), 255),
}


@pytest.mark.parametrize("edit", PARTS)
def test_a_copy_overlaps_with_its_original_whichever_is_asked_for(edit):
    original, copy = mini(WHOLE), mini(PARTS[edit](WHOLE))
    assert overlap(copy, original) > 0.8
    assert overlap(original, copy) == pytest.approx(overlap(copy, original))


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_picture_overlaps_less_than_any_copy(seed):
    assert overlap(mini(WHOLE), mini(drawing(seed))) < 0.7


@pytest.mark.parametrize("shape", [(1, 1), (400, 3), (3, 400)])
def test_pictures_of_odd_shapes_are_compared_without_trouble(shape):
    odd = mini(drawing(3, *shape))
    assert -1 <= overlap(odd, mini(WHOLE)) <= 1.001
    assert -1 <= overlap(odd, odd) <= 1.001


def test_a_picture_of_one_colour_overlaps_with_nothing():
    empty = mini(drawing(1).point(lambda _: 128))
    assert overlap(empty, mini(WHOLE)) < 0.1
    assert overlap(empty, empty) == pytest.approx(0)
