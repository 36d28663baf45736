"""Claims about a fitted map: its rank, and the queries that it does not move."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.learning.fitting import MAX_RANK, STRENGTHS, Ordinary, fitted_shift
from imagesearch.learning.opinions import SAME_QUERY, RatedQuery, query_groups, rated_queries
from tests.unit.learning.conftest import DIMENSION, unit


def test_a_map_has_a_rank_of_at_most_32(world):
    many = unit(np.random.default_rng(1).normal(size=(2, 60, 64)))
    [one, *_] = rated_queries(world.opinions())
    rated = [
        replace(one, query=query, liked=image[None], disliked=image[None][:0])
        for query, image in zip(*many, strict=True)
    ]
    map = fitted_shift(rated, Ordinary(many[0]), 1e-6).low_rank()
    assert MAX_RANK == 32
    assert map.left.shape == map.right.shape == (MAX_RANK, 64)


def test_ordinary_queries_move_less_than_others(world):
    rated = rated_queries(world.opinions())
    draw, half = np.random.default_rng(2), DIMENSION // 2
    first, last = (
        unit(draw.normal(size=(200, DIMENSION)) * (np.arange(DIMENSION) // half == part))
        for part in (0, 1)
    )

    def moved(ordinary):
        shift = fitted_shift(rated, Ordinary(ordinary), 100.0)
        return 1 - np.einsum("qd,qd->q", first, shift(first)).mean()

    assert moved(first) < moved(last) / 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(STRENGTHS), st.floats(-6, 0))
def test_no_opinions_turn_a_query_by_more_than_64_2_degrees(seed, strength, least):
    """Made opinions on random images, one for each query, fitted with hardly any ridge, too."""
    draw = np.random.default_rng(seed)
    queries, images, asked = unit(draw.normal(size=(3, 12, DIMENSION)))
    rated = [
        RatedQuery(query, image[None], -image[None], frozenset({"a"}), 1.0, frozenset({"m"}), "")
        for query, image in zip(queries, images, strict=True)
    ]
    ridge = strength.ridge * 10**least
    shift = fitted_shift(rated, Ordinary(queries[:2]), ridge).times(strength.step)
    for moved in (shift, shift.low_rank().applied):
        for asked_for in (queries, asked):
            turned = np.einsum("qd,qd->q", asked_for, moved(asked_for))
            assert turned.min() >= np.cos(np.radians(64.2))


def test_queries_of_a_cosine_of_0_995_are_one():
    angles = np.arccos([1.0, SAME_QUERY + 1e-3, SAME_QUERY - 1e-3])
    queries = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert SAME_QUERY == 0.995
    assert query_groups(queries).tolist() == [0, 0, 1]
