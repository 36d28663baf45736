"""Claim: after any history, an empty queue and one reconciliation, index = bucket = thumbnails."""

import os

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.truth.machine import History
from tests.integration.truth.world import World
from tests.support.fake_index import FakeIndex

HISTORIES = int(os.environ.get("CHAOS_HISTORIES", "30"))
STEPS = int(os.environ.get("CHAOS_STEPS", "40"))


class InMemory(History):
    def make_world(self) -> World:
        return World(lambda model, clock: FakeIndex(8))


# Without shrinking, which takes minutes; the failing history is printed, and replayed first.
SETTINGS = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
)


def test_any_history_ends_with_bucket_index_and_thumbnails_equal():
    run_state_machine_as_test(InMemory, settings=SETTINGS)
