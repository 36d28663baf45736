"""Claims: the health check reports index, model and queue."""

import pytest

from imagesearch.domain.ports import NextModel
from tests.support.fakes import FakeQueue, FakeWeb, picture

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
    def test_health_without_a_queue_reports_no_lag(self, ask):
        assert ask("GET", "/v1/health").json == HEALTHY


class TestWithQueue:
    @pytest.fixture
    def queue(self):
        return FakeQueue(waiting=12, in_flight=3)

    def test_health_reports_the_waiting_changes(self, ask):
        lag = {"waiting": 12, "in_flight": 3}
        assert ask("GET", "/v1/health").json == HEALTHY | {"lag": lag}

    def test_an_unavailable_queue_keeps_health_ok(self, ask, queue):
        queue.unavailable = True
        answer = ask("GET", "/v1/health")
        assert (answer.status, answer.json) == (200, HEALTHY | {"lag": None})

    def test_an_unavailable_index_fails_the_health_check(self, ask, index):
        index.unavailable = True
        answer = ask("GET", "/v1/health")
        assert (answer.status, answer.error) == (503, "unavailable")


class TestChangeOfTheModel:
    @pytest.fixture
    def next_model(self):
        return NextModel("clip", "indexing", 3, 12)

    def test_health_reports_the_progress_of_the_next_model(self, ask):
        expected = {"name": "clip", "state": "indexing", "done": 3, "total": 12, "message": ""}
        assert ask("GET", "/v1/health").json == HEALTHY | {"next_model": expected}


class TestWithUrls:
    @pytest.fixture
    def web(self):
        return FakeWeb({})

    def test_health_reports_that_images_are_fetched_from_urls(self, ask):
        assert ask("GET", "/v1/health").json == HEALTHY | {"allows": ["urls"]}
