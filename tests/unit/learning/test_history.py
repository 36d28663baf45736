"""Claims about the history of tuning: each run is recorded, adopted or not."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from imagesearch.learning import history
from imagesearch.learning.history import History
from imagesearch.learning.tuner import Tuner
from tests.unit.learning.conftest import make_world

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def tuner(world, derived, adapters) -> Tuner:
    return Tuner(derived, adapters, lambda _: world.vectors, lambda: world.backgrounds)


def test_runs_are_recorded_with_their_figures_and_reasons(world, derived, adapters, space):
    nothing = make_world(own_words=False)
    tuner(nothing, derived, adapters).run(nothing.opinions, NOW)
    tuner(world, derived, adapters).run(world.opinions, NOW)
    tuner(world, derived, adapters).run(list, NOW)
    refused, adopted = History(derived, space).runs()
    assert (refused.adapter, adopted.adapter) == (None, 1)
    assert "margin of error" in refused.reason
    assert adopted.mrr_after - adopted.mrr_before > adopted.margin > 0
    assert (adopted.opinions, adopted.time) == (144, "2026-02-01T00:00:00+00:00")


def test_the_history_is_bounded_and_a_damaged_one_begins_again(
    world, derived, adapters, space, monkeypatch
):
    monkeypatch.setattr(history, "MAX_RUNS", 2)
    few = world.opinions(phrases=range(1))
    for day in (1, 2, 3):
        tuner(world, derived, adapters).run(lambda: few, NOW.replace(day=day))
    kept = History(derived, space)
    assert [run.time[:10] for run in kept.runs()] == ["2026-02-02", "2026-02-03"]
    derived.put(f"adapters/{space.digest}/history.json", b"{", "application/json")
    assert kept.runs() == []


@pytest.mark.parametrize(
    "damage", [{"mrr_before": "x"}, {"margin": None}, {"mrr_after": math.nan}, {"time": 5}]
)
def test_a_run_with_a_value_of_another_type_damages_the_history(
    damage, world, derived, adapters, space
):
    tuner(world, derived, adapters).run(lambda: world.opinions(phrases=range(1)), NOW)
    key = f"adapters/{space.digest}/history.json"
    [run] = json.loads(derived.get(key))
    derived.put(key, json.dumps([run | damage]).encode(), "application/json")
    assert History(derived, space).runs() == []


@pytest.mark.slow
def test_the_search_function_loads_nothing_that_only_tuning_needs():
    unwanted = ("learning.tuning", "learning.fitting", "learning.tuner", "calibration.evidence")
    program = (
        "import sys, functions.search.composition;"
        f"sys.exit(' '.join({{f'imagesearch.{{name}}' for name in {unwanted}}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stderr == b"\n"
