"""map_ordered: results in order, with bounded prefetching."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagesearch.embedding.decoding.workers.pool import map_ordered
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_results_are_in_the_order_of_the_items(most, count, threads):
    squares = map_ordered(threads, lambda item: item * item, range(count), most)
    assert list(squares) == [item * item for item in range(count)]


def test_prefetching_is_bounded(threads):
    taken = []
    results = map_ordered(threads, str, (taken.append(item) or item for item in range(9)), 3)
    assert next(results) == "0"
    assert taken == [0, 1, 2]


def test_two_items_are_processed_concurrently(threads):
    """Each item waits for the other, so sequential processing would hang."""
    both = threading.Barrier(2, timeout=PATIENCE_SECONDS)
    assert sorted(map_ordered(threads, lambda _: both.wait(), range(2), 2)) == [0, 1]


def test_an_error_reaches_the_consumer_and_stops_the_iteration(threads):
    started = []

    def work(item):
        started.append(item)
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        list(map_ordered(threads, work, [0, *range(1, 100)], 2))
    assert len(started) <= 2
