"""Claims about `tune`: what is adopted, what is refused, and what a hostile user can change."""

from datetime import UTC, datetime

import pytest

from imagesearch.learning.tuning import found_for, tune
from imagesearch.learning.validation import MAX_SAMPLE_LOSS, MAX_USER_LOSS
from imagesearch.search.relevance import Modality
from tests.unit.learning.conftest import make_world

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HONEST = ("anna", "ben", "carla")


def found(world, opinions):
    return found_for(Modality.TEXT, opinions, world.vectors, world.backgrounds)


def test_words_of_the_users_are_learned_for_queries_without_opinions(world):
    result = found(world, world.opinions())
    assert result.held_out.gain > result.held_out.margin > 0
    assert world.mrr(result.map) > world.mrr() + 0.2
    assert result.samples[1] >= result.samples[0] - MAX_SAMPLE_LOSS


def test_nothing_is_adopted_where_nothing_is_to_be_gained():
    world = make_world(own_words=False)
    result = found(world, world.opinions())
    assert result.map is None
    assert "not adopted: the gain is not above its margin of error" in result.sentence(None)


def test_few_opinions_are_not_enough(world):
    result = found(world, world.opinions(phrases=range(1)))
    assert result.map is None
    assert "at least 10 are needed" in result.reason


def test_an_adopted_adapter_is_stored_with_figures_curves_and_parent(world, adapters):
    first = tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    assert "adopted as adapter 1." in first.sentences()[0]
    second = tune(world.opinions(day=2), world.vectors, world.backgrounds, adapters, NOW)
    assert (second.adapter.number, second.adapter.parent) == (2, 1)
    stored = adapters.get(2)
    assert stored.to_bytes() == second.adapter.to_bytes()
    assert set(stored.curves) == {Modality.TEXT, Modality.MIXED}
    assert adapters.pointer().number == 2


def test_image_queries_are_not_moved_by_opinions_on_text_queries(world, adapters):
    tuned = tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    adapter = tuned.adapter.query_adapter
    query = world.images[0]
    assert adapter.adapted(query, Modality.IMAGE) is query
    assert adapter.adapted(query, Modality.TEXT) is not query


@pytest.mark.parametrize("times", [1, 8])
def test_a_hostile_user_cannot_worsen_the_results_of_others(world, times):
    honest = [each for user in HONEST for each in world.opinions(user)]
    alone = world.mrr(found(world, honest).map)
    hostile = [
        each
        for number in range(times)
        for each in world.opinions("mallory", range(8), upside_down=True, day=number + 2)
    ]
    result = found(world, [*honest, *hostile])
    assert result.left_out == ("mallory",)
    assert "opinions of 1 user left out" in result.sentence(1)
    assert world.mrr(result.map) >= alone - MAX_USER_LOSS


def test_equal_opinions_give_an_equal_map(world):
    first, second = (found(world, world.opinions()).map for _ in range(2))
    assert first.left.tobytes() == second.left.tobytes()
