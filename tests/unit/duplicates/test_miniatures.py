"""Miniatures: their text format, and matching of crops, borders and mirrored images."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageOps

from imagesearch.duplicates.miniatures import SIDE, Miniature, from_text, overlap, to_text
from imagesearch.duplicates.similarity import Fingerprint, hash_distance, similarity
from imagesearch.embedding.decoding.details import miniature
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.decoding.transforms import without_border
from imagesearch.embedding.manifest import DuplicateWeights
from tests.support.images.drawings import drawing, miniature_of


def test_gray_values_survive_encoding():
    grays = np.arange(576, dtype=np.float32).reshape(24, 24) % 64
    found, ratio = from_text(to_text(grays, 1.5))
    assert (found == grays).all()
    assert ratio == 1.5


@pytest.mark.parametrize("ratio", [1 / 30_000, 0.0004, 0.001])
def test_the_aspect_ratio_of_a_thin_picture_is_positive(ratio):
    grays = np.zeros((24, 24), np.float32)
    text = to_text(grays, ratio)
    assert from_text(text)[1] == 0.001
    assert from_text("0.000" + text[5:])[1] == 0.001  # as written by older releases


def test_brightness_and_contrast_make_no_difference():
    grays = np.arange(576, dtype=np.float32).reshape(24, 24) % 64
    assert to_text(grays * 3 + 20, 1.0) == to_text(grays, 1.0)


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
def test_an_invalid_miniature_is_rejected(text):
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


@pytest.mark.parametrize("color", [0, 128, 255])
def test_a_border_of_one_color_is_removed(color):
    framed = ImageOps.expand(drawing(1), (30, 10, 5, 80), color)
    assert without_border(framed).size == pytest.approx((320, 240), abs=3)


@pytest.mark.parametrize("size", [(1, 1), (320, 1), (64, 64)])
def test_a_picture_of_one_color_is_not_a_border(size):
    assert without_border(Image.new("L", size, 200)).size == size


def test_a_small_object_on_a_plain_background_is_not_cropped():
    ground = Image.new("L", (300, 300), 255)
    ground.paste(drawing(1, 30, 30), (130, 130))
    assert without_border(ground).size == (300, 300)


def test_the_hash_distance_ignores_mirroring():
    picture = drawing(4)
    assert hash_distance(perceptual_hash(picture), perceptual_hash(ImageOps.mirror(picture))) == 0


def test_hashes_of_other_images_are_distant():
    hashes = [perceptual_hash(drawing(seed)) for seed in range(8)]
    assert min(hash_distance(hashes[0], other) for other in hashes[1:]) > 12


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
def test_overlap_of_a_copy_and_its_original_is_symmetric(edit):
    original, copy = miniature_of(WHOLE), miniature_of(PARTS[edit](WHOLE))
    assert overlap(copy, original) > 0.8
    assert overlap(original, copy) == pytest.approx(overlap(copy, original))


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_image_overlaps_less_than_any_copy(seed):
    assert overlap(miniature_of(WHOLE), miniature_of(drawing(seed))) < 0.7


@pytest.mark.parametrize("shape", [(1, 1), (400, 3), (3, 400)])
def test_pictures_of_extreme_shapes_are_compared(shape):
    odd = miniature_of(drawing(3, *shape))
    assert -1 <= overlap(odd, miniature_of(WHOLE)) <= 1.001
    assert -1 <= overlap(odd, odd) <= 1.001


def test_a_picture_of_one_color_overlaps_with_nothing():
    empty = miniature_of(drawing(1).point(lambda _: 128))
    assert overlap(empty, miniature_of(WHOLE)) < 0.1
    assert overlap(empty, empty) == pytest.approx(0)


SIDES = st.integers(1, 30_000)


@st.composite
def fingerprints(draw):
    """Fingerprints of images of every shape: uniform, drawn or noise."""
    width, height, seed = draw(SIDES), draw(SIDES), draw(st.integers(0, 5))
    grays = {
        0: np.full((SIDE, SIDE), 128, np.float32),
        1: np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE)).astype(np.float32),
    }.get(seed, np.asarray(drawing(seed, SIDE, SIDE), np.float32))
    phash = draw(st.integers(0, 2**64 - 1).map("{:016x}".format))
    return Fingerprint(phash, to_text(grays, width / height))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(fingerprints(), fingerprints(), st.floats(-1, 1))
def test_pictures_of_any_two_shapes_are_compared(one, other, score):
    assert one.miniature
    assert other.miniature
    assert -1.001 <= overlap(one.miniature, other.miniature) <= 1.001
    found = similarity(DuplicateWeights().weights, score, one, other, 0.0)
    assert found is not None
    assert 0 <= found.confidence <= 1


RATIOS = st.floats(1 / 70_000, 70_000)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(RATIOS, RATIOS)
@example(1 / 70_000, 70_000)
def test_an_extremely_thin_part_is_compared_at_the_minimum_ratio(one, other):
    """The minimum ratio of a quarter limits the number of sizes."""
    grays = np.asarray(drawing(1, SIDE, SIDE), np.float32)
    first, second = Miniature(grays, one), Miniature(grays, other)
    quotient = min(max(one / other, 0.25), 4)
    assert overlap(first, second) == overlap(Miniature(grays, quotient), Miniature(grays, 1))


@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1), (600, 1), (1, 800)])
@pytest.mark.parametrize("color", [0, 128, 255])
def test_an_extremely_thin_line_is_recorded_and_compared_with_a_square(size, color):
    line, square = (
        miniature_of(Image.new("L", size, color)),
        miniature_of(Image.new("L", (100, 100), color)),
    )
    assert overlap(line, square) == pytest.approx(0)


def _direct_correlation(part: Miniature, whole: Miniature, side: int) -> float:
    """The highest correlation of a square part of that side at any position, window by window."""
    large = np.kron(part.grays, np.ones((side, side)))  # its blocks of 24 x 24 are the pixels
    grays = large.reshape(side, SIDE, side, SIDE).mean(axis=(1, 3)).astype(np.float32)
    windows = sliding_window_view(whole.edges, (side, side), axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    windows = windows.reshape(len(windows) ** 2, -1)
    lengths = np.linalg.norm(windows, axis=1) + 1e-6
    edges = [Miniature(each, 1.0).edges.ravel() for each in (grays, grays[:, ::-1])]
    return float(
        max((windows @ each / lengths / (np.linalg.norm(each) + 1e-6)).max() for each in edges)
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(0, SIDE))
@settings(max_examples=10, deadline=None)
def test_the_overlap_equals_the_correlation_window_by_window(seed, levels, even):
    """Some rows have no edges, as a sky: their windows correlate with nothing."""
    random = np.random.default_rng(seed)
    one, other = (
        Miniature(random.integers(0, levels, (SIDE, SIDE)).astype(np.float32), 1.0)
        for _ in range(2)
    )
    other.grays[:even] = 0
    rough = [_direct_correlation(one, other, side) for side in (12, 15, 18, 21, 24)]
    rough += [_direct_correlation(other, one, side) for side in (14, 16, 20, 22)]
    expected = max(rough)
    if expected < 0.55:
        assert overlap(one, other) == pytest.approx(expected, abs=1e-4)
    else:
        assert overlap(one, other) >= expected - 1e-4
