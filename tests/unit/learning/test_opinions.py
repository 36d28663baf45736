"""Claims about opinions: which count, how they cancel, and the share of one user."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.learning.opinions import MAX_SHARE, rated_queries, read_opinions, user_factors
from tests.support.fakes import vector

RECORD = {
    "time": "2026-01-01T00:00:00+00:00",
    "model": "fake",
    "image_space": "space",
    "query": "text",
    "query_embedding": vector("a cat").tolist(),
    "image": "one",
    "image_embedding": vector("tom").tolist(),
    "relevant": True,
    "user": "abc",
}


def read(*records):
    return read_opinions(map(json.dumps, records), "fake", "space", 8)


def test_records_of_earlier_releases_have_no_user():
    [opinion] = read({name: value for name, value in RECORD.items() if name != "user"})
    assert opinion.user == ""


@pytest.mark.parametrize(
    "change",
    [
        {"model": "another"},
        {"image_space": "another"},
        {"query": "terms"},
        {"query": ["text"]},
        {"query_embedding": [1.0]},
        {"query_embedding": [0.0] * 8},
        {"image_embedding": ["x"] * 8},
        {"image_embedding": [float("nan")] * 8},
        {"relevant": 1},
        {"user": 3},
    ],
    ids=str,
)
def test_other_and_damaged_records_are_skipped(change):
    assert len(read(RECORD, RECORD | change)) == 1
    assert read_opinions(["", "{", "[]", "null"], "fake", "space", 8) == []


def test_opposite_opinions_of_two_users_cancel():
    [opinion] = read(RECORD)
    other = replace(opinion, user="def", relevant=False)
    assert rated_queries([opinion, other]) == []
    assert len(rated_queries([opinion, replace(other, image_id="two")])) == 1


def test_the_last_opinion_of_a_user_counts():
    later = RECORD | {"time": "2026-01-02T00:00:00+00:00", "relevant": False}
    [rated] = rated_queries(read(later, RECORD))
    assert (len(rated.liked), len(rated.disliked)) == (0, 1)


def test_repeated_opinions_count_once():
    [once], [often] = rated_queries(read(RECORD)), rated_queries(read(*[RECORD] * 50))
    assert once.weight == often.weight
    assert np.array_equal(once.liked, often.liked)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(1, 100_000), min_size=1, max_size=30))
def test_no_user_exceeds_the_share(votes):
    factors = user_factors(votes)
    kept = np.array([count * factors[user] for user, count in votes.items()])
    assert all(0 < factor <= 1 for factor in factors.values())
    assert kept.max() <= max(MAX_SHARE, 1 / len(votes)) * kept.sum() * (1 + 1e-6)
