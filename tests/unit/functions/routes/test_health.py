"""Claims: the health check reports index, model and queue."""

import pytest

from tests.support.fakes import FakeQueue, picture

HEALTHY = {
    "status": "ok",
    "images": 2,
    "rejected": 1,
    "model": "fake",
    "index": "images-fake",
    "cluster": "green",
    "allows": [],
}


@pytest.fixture(autouse=True)
def full(fill):
    fill({"a.png": picture("a cat"), "b.png": picture("a dog"), "c.png": picture("broken")})


class TestWithoutQueue:
    def test_nothing_is_said_of_one(self, ask):
        assert ask("GET", "/v1/health").json == HEALTHY


class TestWithQueue:
    @pytest.fixture
    def queue(self):
        return FakeQueue(waiting=12, in_flight=3)

    def test_the_changes_that_wait_are_told(self, ask):
        lag = {"waiting": 12, "in_flight": 3}
        assert ask("GET", "/v1/health").json == HEALTHY | {"lag": lag}

    def test_a_queue_that_is_away_leaves_the_rest_well(self, ask, queue):
        queue.away = True
        answer = ask("GET", "/v1/health")
        assert (answer.status, answer.json) == (200, HEALTHY | {"lag": None})

    def test_an_index_that_is_away_is_not_well(self, ask, index):
        index.away = True
        answer = ask("GET", "/v1/health")
        assert (answer.status, answer.error) == (503, "unavailable")
