"""Claims about opinions: which count, how they cancel, and the share of one user."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.feedback import pseudonym
from imagesearch.learning import opinions as opinions_module
from imagesearch.learning.opinions import (
    MAX_SHARE,
    newest,
    rated_queries,
    read_opinions,
    user_factors,
    user_shares,
)
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
        {"image_embedding": [1e38] * 8},
        {"image_embedding": [10**400] * 8},
        {"query_embedding": [float("inf"), *[0.0] * 7]},
        {"query_embedding": [2.0, *[0.0] * 7]},
        {"relevant": 1},
        {"user": 3},
    ],
    ids=lambda change: str(change)[:40],
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


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 8), st.integers(4, 8), st.booleans())
def test_a_flood_of_queries_or_of_images_has_a_bounded_weight(queries, images, users, same_image):
    """Mallory rates queries of its own, and honest users share six others."""
    draw = np.random.default_rng(queries)
    vectors = draw.normal(size=(6 + queries, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    [one] = read(RECORD)
    honest = [
        replace(one, query=vectors[number], user=f"user {user}")
        for number in range(6)
        for user in range(users)
    ]
    flood = [
        replace(one, query=vectors[number], image_id="0" if same_image else str(image), user="m")
        for number in range(6, 6 + queries)
        for image in range(images)
    ]
    rated = rated_queries([*honest, *flood])
    weight = sum(each.weight for each in rated if each.users == {"m"})
    assert weight <= MAX_SHARE * sum(each.weight for each in rated) * (1 + 1e-6)
    assert user_shares([*honest, *flood])["m"] <= MAX_SHARE * (1 + 1e-6)


@pytest.mark.parametrize("users", [0, 1, 3, 9])
def test_one_user_has_a_bounded_share_of_the_opinions_of_a_run(users, monkeypatch):
    """A flood of 500 opinions on 100 queries, after those of others, one a query."""
    monkeypatch.setattr(opinions_module, "MAX_OPINIONS", 120)
    monkeypatch.setattr(opinions_module, "MAX_QUERIES", 40)
    queries = np.random.default_rng(4).normal(size=(100 + 3 * users, 32)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    [one] = read(RECORD)
    honest = [
        replace(one, time=f"2026-01-{number:02}", query=queries[number], user=f"u{number % users}")
        for number in range(3 * users)
    ]
    flood = [
        replace(one, time=f"2026-02-{row:03}", query=queries[3 * users + row % 100], user="m")
        for row in range(500)
    ]
    kept = newest([*flood, *honest])
    own = [each for each in kept if each.user == "m"]
    share = max(MAX_SHARE, 1 / (users + 1))
    assert 0 < len(own) <= 120 * share
    assert 0 < len({each.query.tobytes() for each in own}) <= 40 * share
    assert [each for each in kept if each.user != "m"] == honest
    assert own[-1] is flood[-1]
    assert [each.time for each in kept] == sorted(each.time for each in kept)


def test_all_users_together_have_bounded_opinions_and_queries_in_a_run(monkeypatch):
    monkeypatch.setattr(opinions_module, "MAX_OPINIONS", 120)
    monkeypatch.setattr(opinions_module, "MAX_QUERIES", 40)
    [one] = read(RECORD)
    queries = np.random.default_rng(4).normal(size=(300, 32)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    every = [
        replace(one, time=f"{number:04}", query=query, user=f"user {number % 30}", image_id=image)
        for number, query in enumerate(queries)
        for image in "ab"
    ]
    assert newest(every) == every[-2 * 40 :]
    monkeypatch.setattr(opinions_module, "MAX_QUERIES", 1000)
    assert newest(every) == every[-120:]
    assert newest([]) == []


def test_several_keys_are_several_users():
    [one] = read(RECORD)
    keys = [replace(one, user=pseudonym(f"key {number}"), image_id="two") for number in range(3)]
    shares = user_shares([replace(one, user=pseudonym("anna")), *keys])
    assert sum(shares[each.user] for each in keys) == pytest.approx(3 / 4)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(1, 100_000), min_size=1, max_size=30))
def test_no_user_exceeds_the_share(votes):
    factors = user_factors(votes)
    kept = np.array([count * factors[user] for user, count in votes.items()])
    assert all(0 < factor <= 1 for factor in factors.values())
    assert kept.max() <= max(MAX_SHARE, 1 / len(votes)) * kept.sum() * (1 + 1e-6)
