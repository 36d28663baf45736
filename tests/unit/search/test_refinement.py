"""Opinions within a session move the query as the documentation says, with its weights."""

import numpy as np
import pytest

from imagesearch.search.refinement import WEIGHTS, RocchioWeights, refined
from imagesearch.search.relevance import Modality
from tests.support.paths import REPOSITORY


def test_the_weights_are_those_of_the_documentation():
    page = (REPOSITORY / "docs/explanation/learning.md").read_text("utf-8")
    assert WEIGHTS[Modality.TEXT] == WEIGHTS[Modality.MIXED]
    for label, modality in (("text, mixture", Modality.TEXT), ("image, id, URL", Modality.IMAGE)):
        weights = WEIGHTS[modality]
        assert f"| {label} | {weights.like} | {weights.unlike} |" in page


@pytest.mark.parametrize(("liked", "unliked"), [(0, 0), (1, 0), (0, 2), (3, 2), (32, 32)])
def test_a_query_moves_by_the_means_of_liked_and_disliked_images(liked, unliked):
    draw = np.random.default_rng(liked)
    rows = draw.normal(size=(1 + liked + unliked, 8)).astype(np.float32)
    query, *images = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    good, bad = (np.array(part).reshape(-1, 8) for part in (images[:liked], images[liked:]))
    moved = query.copy()
    if liked:
        moved += 0.6 * good.mean(axis=0)
    if unliked:
        moved -= 0.2 * bad.mean(axis=0)
    found = refined(query, good, bad, RocchioWeights(0.6, 0.2))
    assert found == pytest.approx(moved / np.linalg.norm(moved), abs=1e-6)
