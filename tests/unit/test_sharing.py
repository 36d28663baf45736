"""Shared values are created once for all workers, and kept until the last worker releases them."""

import threading
from contextlib import contextmanager

import pytest

from tests.support.sharing import shared_by_workers
from tests.support.waiting import PATIENCE_SECONDS


class Factory:
    """The tmp_path_factory of one of several workers."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def getbasetemp(self):
        return self._folder


@pytest.fixture
def log():
    return []


@pytest.fixture
def make(log):
    @contextmanager
    def make():
        log.append("made")
        yield "it"
        log.append("ended")

    return make


@pytest.fixture
def factories(tmp_path):
    return [Factory(tmp_path / f"popen-gw{number}") for number in range(2)]


def test_the_second_worker_reuses_the_value_of_the_first(factories, make, log):
    with (
        shared_by_workers(factories[0], "server", make) as first,
        shared_by_workers(factories[1], "server", make) as second,
    ):
        assert (first, second) == ("it", "it")
    assert log == ["made", "ended"]


def test_a_value_remains_until_the_last_worker_releases_it(factories, make, log):
    entered, left = threading.Event(), threading.Event()

    def other():
        with shared_by_workers(factories[1], "server", make):
            entered.set()
            left.wait(PATIENCE_SECONDS)
            log.append("used")

    with shared_by_workers(factories[0], "server", make):
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(PATIENCE_SECONDS)
        left.set()
    thread.join(PATIENCE_SECONDS)
    assert log == ["made", "used", "ended"]


def test_a_released_value_is_created_again(factories, make, log):
    for factory in factories:
        with shared_by_workers(factory, "server", make):
            pass
    assert log == ["made", "ended"] * 2


def test_a_run_without_workers_has_its_own_folder(tmp_path, make, log):
    for name in ("pytest-1", "pytest-2"):
        with shared_by_workers(Factory(tmp_path / name), "server", make):
            assert list((tmp_path / name).iterdir())
    assert log == ["made", "ended"] * 2
