"""Claims about replaying opinions against another model."""

from dataclasses import replace

import numpy as np
import pytest

from imagesearch.learning.replay import Replay, replay
from imagesearch.search.relevance import Modality
from tests.unit.learning.conftest import DIMENSION, EACH, GROUPS, PHRASES, unit


@pytest.fixture
def opinions(world) -> Replay:
    """Opinions of a world whose words the model does not know; each query has its own text."""
    rows = {world.queries[row].tobytes(): row for row in range(GROUPS * PHRASES)}
    named = [replace(each, text=f"{rows[each.query.tobytes()]}") for each in world.opinions()]
    return Replay(named, [(Modality.TEXT, each.text) for each in named])


def vectors(world, queries):
    """The vectors of texts and images of another model, which has 32 dimensions."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(32, 32)))[0][:DIMENSION]
    texts = {f"{row}": unit(query @ turn) for row, query in enumerate(queries)}
    return texts, {f"{row}": unit(image @ turn) for row, image in enumerate(world.images)}


def test_a_model_that_knows_the_words_ranks_better(world, opinions):
    centers = unit(world.images.reshape(GROUPS, EACH, -1).mean(axis=1))
    found = replay(opinions, *vectors(world, np.repeat(centers, PHRASES, axis=0)))
    assert found.gain > found.margin > 0
    assert (found.queries, found.verdict) == (24, "ranks better")


def test_an_equal_model_shows_no_difference_and_a_random_one_ranks_worse(world, opinions):
    same = replay(opinions, *vectors(world, world.queries))
    assert (same.gain, same.verdict) == (pytest.approx(0, abs=1e-6), "no difference is shown")
    known = replace_queries(opinions, np.repeat(world.images[::EACH], PHRASES, axis=0))
    random = unit(np.random.default_rng(2).normal(size=world.queries.shape))
    assert replay(known, *vectors(world, random)).verdict == "ranks worse"


def replace_queries(opinions: Replay, queries: np.ndarray) -> Replay:
    """The opinions of a model that embeds the texts like this."""
    noise = np.random.default_rng(3).normal(size=queries.shape) * 0.08
    near = unit(queries + noise)
    moved = [replace(each, query=near[int(each.text)]) for each in opinions.opinions]
    return Replay(moved, opinions.sources)


def test_what_the_other_model_cannot_embed_is_left_out_of_both(world, opinions):
    texts, images = vectors(world, world.queries)
    few = {text: vector for text, vector in texts.items() if int(text) < PHRASES}
    found = replay(opinions, few, images)
    assert found.queries == 4
    assert "at least 10 are needed" in found.verdict
    assert replay(opinions, {}, images).queries == replay(opinions, texts, {}).queries == 0
