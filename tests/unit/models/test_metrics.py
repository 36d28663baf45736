"""Claims about the metrics on small cases, and about the rounding of weights."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagesearch.calibration.retrieval import mean_reciprocal_rank, recall
from local.quantization.rows import rows_to_int8
from models.evaluation.metrics import image_retrieval, kinds_of
from models.evaluation.reference_pipeline import Preprocess
from models.quantization.methods import blocks_to_uint8
from models.starter.image_graph import singular_directions

CORNERS = np.eye(4, dtype=np.float32)


def test_recall_counts_queries_with_their_item_in_the_first_ranks() -> None:
    swapped = CORNERS[[1, 0, 2, 3]]
    assert recall(swapped, CORNERS) == {"R@1": 50.0, "R@5": 100.0, "R@10": 100.0}


def test_equal_vectors_do_not_count_as_found() -> None:
    same = np.ones((4, 2), np.float32)
    assert recall(same, same)["R@1"] == 0
    assert mean_reciprocal_rank(same, same) == 25


def test_similarity_of_pairs_is_computed() -> None:
    pairs = CORNERS[[0, 0, 1, 1]]
    figures = image_retrieval(
        pairs,
        {"none": pairs},
        np.array(["a", "a", "b", "b"]),
        ["owl", "chickens", "eraser", "sickle"],
    )
    assert figures["different_pairs_above_0.95"] == 2
    assert figures["edits_above_0.95"] == 100
    assert figures["same_kind_mAP"] == 100


def test_a_file_without_a_kind_is_its_own_kind() -> None:
    assert list(kinds_of(["owl", "chickens", "eraser"])) == ["bird", "bird", "eraser"]


def test_int8_rows_are_restored_within_half_a_step() -> None:
    table = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    table[3] = 0
    rows, scales = rows_to_int8(table)
    assert rows.dtype == np.int8
    assert (np.abs(rows * scales - table) <= scales / 2 + 1e-6).all()


def test_blocks_have_the_layout_of_matmulnbits() -> None:
    weight = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    blocks, scales = blocks_to_uint8(weight, block=32)
    assert (blocks.shape, scales.shape) == ((3, 2, 32), (3, 2))
    back = ((blocks.astype(np.float32) - 128) * scales[..., None]).reshape(3, 64).T
    assert back == pytest.approx(weight, abs=float(scales.max()))


def test_singular_directions_ignore_the_common_component() -> None:
    weights = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    directions, _ = singular_directions(weights, 3)
    shifted, _ = singular_directions(weights + np.arange(8, dtype=np.float32), 3)
    assert shifted == pytest.approx(directions, abs=1e-4)


@pytest.mark.parametrize(("resize", "corner"), [("pad", 0.0), ("crop", 1.0), ("stretch", 1.0)])
def test_a_wide_image_is_padded_or_cropped(resize: str, corner: float) -> None:
    half, one = (127.5 / 255,) * 3, (127.5 / 255,) * 3
    rule = Preprocess(20, resize, "bicubic", half, one, (127, 127, 127))
    pixels = rule.pixel_values(Image.new("RGB", (80, 40), "white"))
    assert pixels.shape == (3, 20, 20)
    assert pixels[:, 10, 10] == pytest.approx(1)
    assert pixels[:, 0, 0] == pytest.approx(corner, abs=0.01)
