"""What tests of several kinds share: one real OpenSearch server, and a way to wait."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from local.opensearch_distribution import CannotStart
from local.opensearch_server import running_server

Eventually = Callable[..., None]


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    """The server of OPENSEARCH_URL, or a fresh one; without one, tests are skipped except in CI."""
    if given := os.environ.get("OPENSEARCH_URL"):
        yield given
        return
    try:
        with running_server() as url:
            yield url
    except CannotStart as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until a condition holds, and fails with what was waited for when time is over."""

    def wait(what: str, condition: Callable[[], object], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            time.sleep(0.02)

    return wait
