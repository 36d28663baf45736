"""Claims about the comparison of adapters: on later searches, of all that can be read."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imagesearch.learning.comparison import compared
from imagesearch.learning.tuning import tune

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def fitted(world, adapters):
    return tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW).adapter


def test_adapters_are_compared_on_later_searches(world, adapters, fitted):
    later = world.opinions(phrases=range(4, 8), day=2)
    [found] = compared(adapters, [*world.opinions(), *later])
    without, using = found.mrr
    assert (found.number, found.queries) == (1, len({each.query.tobytes() for each in later}))
    assert using > without
    [nothing] = compared(adapters, world.opinions())
    assert (nothing.queries, nothing.mrr) == (0, None)


def test_damaged_and_missing_versions_are_omitted(world, adapters, derived, space, fitted):
    for number in (2, 3, 4):
        adapters.add(replace(fitted, number=number))
    derived.put(f"adapters/{space.digest}/2.json", b"{", "application/json")
    derived.delete(f"adapters/{space.digest}/3.json")
    assert [each.number for each in compared(adapters, world.opinions(day=2))] == [1, 4]
