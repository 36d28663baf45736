"""The functions in one thread."""

import logging

import pytest

from tests.integration.truth.steps import SerialExecutor


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Workers are greenlets: their calls are made in one thread, in an order that is replayed."""
    monkeypatch.setattr("imagesearch.indexing.indexer.ThreadPoolExecutor", SerialExecutor)
    # Each fault is logged with its traceback.
    monkeypatch.setattr(logging.getLogger("imagesearch"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("imagesearch.domain.isolation"), "disabled", True)
